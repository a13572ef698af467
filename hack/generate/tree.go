package main

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// output brings files up to date and remembers which were not; with check it changes nothing.
type output struct {
	check   bool
	changed []string
}

// replaceTree makes the files below dir those below source. Equal files are not touched, files that source lacks are
// deleted with the directories that this leaves empty.
func (o *output) replaceTree(dir, source string) error {
	wanted := make(map[string]bool)
	err := filepath.WalkDir(source, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		rel, err := filepath.Rel(source, file)
		if err != nil {
			return err
		}
		wanted[rel] = true
		content, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		return o.write(filepath.Join(dir, rel), content)
	})
	if err != nil {
		return err
	}
	return o.deleteOthers(dir, wanted)
}

// write gives a file its content unless it has it already.
func (o *output) write(file string, content []byte) error {
	have, err := os.ReadFile(file)
	if err == nil && bytes.Equal(have, content) {
		return nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	o.changed = append(o.changed, file)
	if o.check {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, content, 0o644)
}

// deleteOthers deletes the files below dir that are not wanted.
func (o *output) deleteOthers(dir string, wanted map[string]bool) error {
	var directories []string
	err := filepath.WalkDir(dir, func(file string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if entry.IsDir() {
			directories = append(directories, file)
			return nil
		}
		rel, err := filepath.Rel(dir, file)
		if err != nil || wanted[rel] {
			return err
		}
		o.changed = append(o.changed, file)
		if o.check {
			return nil
		}
		return os.Remove(file)
	})
	if err != nil || o.check {
		return err
	}
	// Deepest first, so that a directory of empty directories goes, too.
	for i := len(directories) - 1; i >= 0; i-- {
		entries, err := os.ReadDir(directories[i])
		if err != nil {
			return err
		}
		if len(entries) == 0 {
			if err := os.Remove(directories[i]); err != nil {
				return err
			}
		}
	}
	return nil
}
