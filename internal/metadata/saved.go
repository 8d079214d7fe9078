package metadata

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"

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
	// keyOutgrown is there if the tables are larger than a ConfigMap may be. Those in KeyTables, if any, are then older ones.
	keyOutgrown = "outgrown"
	// KeyTables holds the tables themselves.
	KeyTables = "tables.json.gz"
)

// maxSize is below what a ConfigMap may hold in all (1 MiB, with its base64 and metadata below etcd's 1.5 MiB).
const maxSize = 900 << 10

// maxUnpacked bounds the memory that a ConfigMap can cost: somebody else may have written it.
const maxUnpacked = 256 << 20

// file is the JSON form of the saved tables.
type file struct {
	Topics map[string]admin.TopicConfig       `json:"topics"`
	Groups map[string]admin.SubscriptionGroup `json:"consumerGroups"`
}

// Encode tables as the data of a ConfigMap. The same tables give the same bytes. Tables that are too large for one are left out, and
// data says so (see Outgrown).
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

// Outgrown reports whether the tables that a ConfigMap's data is about did not fit into it.
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
