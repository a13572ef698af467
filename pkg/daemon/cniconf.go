package daemon

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// confMode: the file may hold secrets of other plugins in the chain.
const confMode = 0o600

// Install puts the configuration file in place in one step. A file that is there already may have been edited and is left,
// only its mode is set.
func (c CNIConf) Install() error {
	target := filepath.Join(c.Dir, c.Name)
	if err := os.Chmod(target, confMode); err == nil {
		return nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("install the CNI configuration: %w", err)
	}
	content, err := os.ReadFile(c.Source)
	if err != nil {
		return fmt.Errorf("install the CNI configuration: %w", err)
	}
	// The runtime ignores names without the extension, so it cannot read half a file.
	temp, err := os.CreateTemp(c.Dir, ".kube-ovn-*")
	if err != nil {
		return fmt.Errorf("install the CNI configuration: %w", err)
	}
	defer os.Remove(temp.Name())
	_, err = temp.Write(content)
	err = errors.Join(err, temp.Chmod(confMode), temp.Sync(), temp.Close())
	if err == nil {
		err = os.Rename(temp.Name(), target)
	}
	if err != nil {
		return fmt.Errorf("install the CNI configuration %s: %w", target, err)
	}
	return nil
}
