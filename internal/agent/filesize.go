// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
)

// storeFiles are files of a broker that all have one length, which a property gives. RocketMQ does not start on files of another
// length (MappedFileQueue.doLoad).
type storeFiles struct {
	property     string
	defaultBytes int64  // of MessageStoreConfig
	pattern      string // below the data directory
	unit         int64  // lengths are multiples of it, rounded up
}

var storeFile = regexp.MustCompile(`^[0-9]{20}$`) // named after the offset at which it begins

// checkFileSizes refuses to start on files that RocketMQ would not load, and says which property fits them: RocketMQ's own words are
// "length not matched message store config value".
func checkFileSizes(dataDir string, properties map[string]string) error {
	for _, files := range []storeFiles{
		{"mappedFileSizeCommitLog", 1 << 30, "commitlog/*", 1},
		{"mappedFileSizeConsumeQueue", 6_000_000, "consumequeue/*/*/*", 20}, // ConsumeQueue.CQ_STORE_UNIT_SIZE
		{"mappedFileSizeTimerLog", 100 << 20, "timerlog/*", 1},
	} {
		wanted, err := strconv.ParseInt(properties[files.property], 10, 32)
		if err != nil {
			wanted = files.defaultBytes // as RocketMQ does
		}
		wanted = (wanted + files.unit - 1) / files.unit * files.unit
		file, found, err := files.first(dataDir)
		if err != nil {
			return fmt.Errorf("the broker's files: %w", err)
		}
		if file != "" && found != wanted {
			return fmt.Errorf("%s is %d bytes long, and RocketMQ loads only files of %s = %d: set %s back to \"%d\". It can only be chosen "+
				"before a broker has stored anything", filepath.Join(dataDir, file), found, files.property, wanted, files.property, found)
		}
	}
	return nil
}

// first of the files that is not empty, below the data directory, and its length; "" if there is none. RocketMQ removes an empty one.
func (s storeFiles) first(dataDir string) (file string, length int64, err error) {
	store := os.DirFS(dataDir)
	matches, err := fs.Glob(store, s.pattern)
	if err != nil {
		return "", 0, err
	}
	for _, match := range matches {
		info, err := fs.Stat(store, match)
		if err != nil {
			return "", 0, err
		}
		if info.Mode().IsRegular() && info.Size() > 0 && storeFile.MatchString(info.Name()) {
			return match, info.Size(), nil
		}
	}
	return "", 0, nil
}
