// Package logfile gives programs klog's flags and their log file its mode.
package logfile

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strconv"

	"github.com/spf13/pflag"
	"k8s.io/klog/v2"
)

// File is the log file of a program, as its flags name it.
type File struct {
	path flag.Value
	mode mode
}

// Register adds klog's flags and --log-perm.
func Register(fs *pflag.FlagSet) *File {
	logs := flag.NewFlagSet("klog", flag.ContinueOnError)
	klog.InitFlags(logs)
	fs.AddGoFlagSet(logs)
	f := &File{path: logs.Lookup("log_file").Value, mode: 0o640}
	fs.Var(&f.mode, "log-perm", "Mode of the log file.")
	return f
}

// Open makes the file with its mode before klog opens it. Without a file it does nothing.
func (f *File) Open() error {
	path, mode := f.path.String(), os.FileMode(f.mode)
	if path == "" {
		return nil
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, mode)
	if err != nil {
		return fmt.Errorf("open the log file: %w", err)
	}
	return errors.Join(file.Chmod(mode), file.Close())
}

// mode is a flag's value, octal as chmod(1) has it.
type mode os.FileMode

func (m *mode) String() string { return strconv.FormatUint(uint64(*m), 8) }
func (m *mode) Type() string   { return "mode" }

func (m *mode) Set(text string) error {
	value, err := strconv.ParseUint(text, 8, 9)
	*m = mode(value)
	return err
}
