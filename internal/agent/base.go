// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/rocketmq-operator/rocketmq-operator/internal/properties"
	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
)

// baseFile reads the user's properties from the first of spec.volumes that has the file; the result is nil if none has it. A volume may
// also be a single file: then that file is mounted in place of the directory, and it is not a base file.
func (c *config) baseFile() (map[string]string, error) {
	volumes := c.baseVolumes
	if len(volumes) == 0 {
		if _, err := os.Stat(c.baseDir); errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		volumes = []string{""} // older pod templates mount a single volume, at the base directory itself
	}
	var without []string
	for _, volume := range volumes {
		path := filepath.Join(c.baseDir, volume, settings.BaseFile)
		data, err := os.ReadFile(path)
		switch {
		case err == nil:
			props, err := properties.Parse(data)
			if err != nil {
				return nil, fmt.Errorf("%s of %s: %w", settings.BaseFile, inSpec(volume), err)
			}
			return props, nil
		case errors.Is(err, fs.ErrPermission):
			return nil, fmt.Errorf("%s of %s cannot be read by uid %d: give the volume a defaultMode such as 0444: %w",
				settings.BaseFile, inSpec(volume), os.Getuid(), err)
		case errors.Is(err, fs.ErrNotExist) || isFile(filepath.Dir(path)):
			without = append(without, inSpec(volume)+" has "+whatIn(filepath.Dir(path)))
		default:
			return nil, fmt.Errorf("%s of %s: %w", settings.BaseFile, inSpec(volume), err)
		}
	}
	if len(without) > 0 {
		logf("WARN", "no properties are taken from spec.volumes, because none has a file %s: %s", settings.BaseFile, strings.Join(without, "; "))
	}
	return nil, nil
}

// inSpec names a volume as it is called in the user's spec.
func inSpec(volume string) string {
	if volume == "" {
		return "spec.volumes[0]"
	}
	return fmt.Sprintf("volume %q of spec.volumes", volume)
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && !info.IsDir()
}

// whatIn says what is in a directory, for a user who expects the base file there.
func whatIn(dir string) string {
	if isFile(dir) {
		return "one file, not a directory"
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "nothing that can be read: " + err.Error()
	}
	var names []string
	for _, entry := range entries {
		if !strings.HasPrefix(entry.Name(), "..") { // Kubernetes' own entries in the volume of a ConfigMap
			names = append(names, entry.Name())
		}
	}
	if len(names) == 0 {
		return "no files"
	}
	const shown = 5
	if len(names) > shown {
		names = append(names[:shown], "...")
	}
	return strings.Join(names, ", ")
}
