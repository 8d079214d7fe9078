// SPDX-License-Identifier: Apache-2.0

package metadata

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
)

// Mark tells which tables were saved.
type Mark struct {
	// Term in which they were read: after every change of master, and every restart of one, it is another one.
	Term string
	// Version they had at that master.
	Version string
}

// Of reports whether the tables were read while the pod with this UID was master. A term is the UID, followed by a slash and
// what else makes it another one, if anything.
func (m *Mark) Of(master string) bool {
	pod, _, _ := strings.Cut(m.Term, "/")
	return pod == master
}

// Keys of the ConfigMap.
const (
	keyTerm    = "term"
	keyVersion = "version"
	keyTopics  = "topics"
	keyGroups  = "consumerGroups"
	// keyOutgrown is there if the tables are larger than what is saved may be. Those in KeyTables, if any, are then older ones.
	keyOutgrown = "outgrown"
	// keySaved is when the tables were saved, keyPut when the copy before was put aside.
	keySaved = "savedAt"
	keyPut   = "previousSince"
	// KeyTables holds the tables themselves, KeyPrevious those before they became fewer.
	KeyTables   = "tables.json.gz"
	KeyPrevious = "previous.json.gz"
)

// maxSize is that of 16 ConfigMaps, some million topics.
const maxSize = 16 * MaxPart

// MaxPart is below what a ConfigMap may hold in all (1 MiB, with its base64 and metadata below etcd's 1.5 MiB).
const MaxPart = 900 << 10

// maxUnpacked bounds the memory that a ConfigMap can cost: somebody else may have written it.
const maxUnpacked = 256 << 20

// file is the JSON form of the saved tables.
type file struct {
	Topics map[string]admin.TopicConfig       `json:"topics"`
	Groups map[string]admin.SubscriptionGroup `json:"consumerGroups"`
}

// Encode tables as the data of a ConfigMap, or of several. The same tables give the same bytes. Tables that are too large are left out,
// and data says so (see Outgrown).
func Encode(mark Mark, tables *Tables) (data map[string]string, binary map[string][]byte, err error) {
	var packed bytes.Buffer
	zip := gzip.NewWriter(&packed)
	if err := json.NewEncoder(zip).Encode(file{tables.Topics, tables.Groups}); err != nil {
		return nil, nil, fmt.Errorf("encode tables: %w", err)
	}
	if err := zip.Close(); err != nil {
		return nil, nil, fmt.Errorf("compress tables: %w", err)
	}
	data = map[string]string{
		keyTerm: mark.Term, keyVersion: mark.Version,
		keyTopics: strconv.Itoa(len(tables.Topics)), keyGroups: strconv.Itoa(len(tables.Groups)),
	}
	if packed.Len() > maxSize {
		data[keyOutgrown] = "true"
		return data, nil, nil
	}
	return data, map[string][]byte{KeyTables: packed.Bytes()}, nil
}

// keepFor is how long the tables from before they became fewer are kept at least. Somebody who deletes topics by mistake, and a broker
// that loses them one by one, write many smaller copies.
const keepFor = 24 * time.Hour

// Keep adds to what is to be saved at some time what is kept of the copy before: its tables, if the new ones are too large, and those
// from before they became fewer.
func Keep(data map[string]string, binary map[string][]byte, before map[string]string, tables map[string][]byte, now time.Time) map[string][]byte {
	out := map[string][]byte{}
	maps.Copy(out, binary)
	data[keySaved] = now.UTC().Format(time.RFC3339)
	if len(out) == 0 && tables[KeyTables] != nil {
		out[KeyTables] = tables[KeyTables] // older tables are better than none
	}
	put, err := time.Parse(time.RFC3339, before[keyPut])
	switch kept := tables[KeyPrevious]; {
	case Fewer(before, data, 1) && tables[KeyTables] != nil && (kept == nil || err != nil || now.Sub(put) > keepFor):
		out[KeyPrevious], data[keyPut] = tables[KeyTables], data[keySaved]
	case kept != nil:
		out[KeyPrevious], data[keyPut] = kept, before[keyPut]
	}
	return out
}

// Fewer reports whether there are fewer topics or consumer groups than a part of those before.
func Fewer(before, after map[string]string, part float64) bool {
	count := func(data map[string]string, key string) float64 { n, _ := strconv.ParseFloat(data[key], 64); return n } // written by Encode
	return count(after, keyTopics) < part*count(before, keyTopics) || count(after, keyGroups) < part*count(before, keyGroups)
}

// writeRate is how many bytes a second the saving of one group's tables may cost, as they change all the time where clients create them.
const writeRate = 8 << 10

// NextSave is when tables may be saved again, after they were saved last.
func NextSave(data map[string]string, tables map[string][]byte) time.Time {
	saved, err := time.Parse(time.RFC3339, data[keySaved])
	if err != nil {
		return time.Time{} // of an operator that did not write it
	}
	return saved.Add(time.Duration(len(tables[KeyTables])) * time.Second / writeRate)
}

// Outgrown reports whether the tables that a ConfigMap's data is about did not fit into what may be saved.
func Outgrown(data map[string]string) bool { return data[keyOutgrown] != "" }

// MarkOf a ConfigMap's data.
func MarkOf(data map[string]string) *Mark {
	return &Mark{Term: data[keyTerm], Version: data[keyVersion]}
}

// Decode the tables of a ConfigMap.
func Decode(binary map[string][]byte) (*Tables, error) {
	zip, err := gzip.NewReader(bytes.NewReader(binary[KeyTables]))
	if err != nil {
		return nil, fmt.Errorf("decompress %s: %w", KeyTables, err)
	}
	text, err := io.ReadAll(io.LimitReader(zip, maxUnpacked))
	if err != nil {
		return nil, fmt.Errorf("decompress %s: %w", KeyTables, err)
	}
	var f file
	if err := json.Unmarshal(text, &f); err != nil {
		return nil, fmt.Errorf("decode %s: %w", KeyTables, err)
	}
	return &Tables{Topics: f.Topics, Groups: f.Groups}, nil
}
