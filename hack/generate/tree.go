package main

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// replaceTree makes the files below dir those below source. Equal files are not touched, files that source lacks are
// deleted with the directories that this leaves empty.
func replaceTree(dir, source string) error {
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
		return copyIfDifferent(filepath.Join(dir, rel), file)
	})
	if err != nil {
		return err
	}
	return deleteOthers(dir, wanted)
}

// copyIfDifferent writes the content of source to file unless it is there already.
func copyIfDifferent(file, source string) error {
	want, err := os.ReadFile(source)
	if err != nil {
		return err
	}
	have, err := os.ReadFile(file)
	if err == nil && bytes.Equal(have, want) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, want, 0o644)
}

// deleteOthers deletes the files below dir that are not wanted.
func deleteOthers(dir string, wanted map[string]bool) error {
	var directories []string
	err := filepath.WalkDir(dir, func(file string, entry fs.DirEntry, err error) error {
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
		return os.Remove(file)
	})
	if err != nil {
		return err
	}
	// Deepest first; a directory that still holds something refuses, which is what we want.
	for i := len(directories) - 1; i >= 0; i-- {
		entries, err := os.ReadDir(directories[i])
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
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
