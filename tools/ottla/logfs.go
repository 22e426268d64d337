package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"

	"ottla.dev/core"
)

// readOnly is the file system of commands that look at log directories, which may belong to a running broker. Nothing
// is opened for writing.
type readOnly struct{}

var errReadOnly = errors.New("this command only reads")

func (readOnly) Open(path string) (core.File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, notExist(err)
	}
	return readOnlyFile{f}, nil
}

func (readOnly) List(dir string) ([]core.DirEntry, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, notExist(err)
	}
	list := make([]core.DirEntry, 0, len(entries))
	for _, e := range entries {
		info, err := e.Info()
		if errors.Is(err, os.ErrNotExist) {
			continue // removed since the folder was read
		}
		if err != nil {
			return nil, err
		}
		if e.IsDir() || info.Mode().IsRegular() {
			list = append(list, core.DirEntry{Name: e.Name(), Dir: e.IsDir(), Size: info.Size()})
		}
	}
	return list, nil
}

func (readOnly) Create(string) (core.File, error) { return nil, errReadOnly }
func (readOnly) Rename(string, string) error      { return errReadOnly }
func (readOnly) Remove(string) error              { return errReadOnly }
func (readOnly) Mkdir(string) error               { return errReadOnly }
func (readOnly) SyncDir(string) error             { return errReadOnly }

// notExist gives the error that the core knows for what is not there.
func notExist(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return core.ErrNotExist
	}
	return err
}

type readOnlyFile struct{ *os.File }

func (f readOnlyFile) ReadAt(p []byte, pos int64) (int, error) {
	n, err := f.File.ReadAt(p, pos)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return n, err
}

func (f readOnlyFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func (readOnlyFile) WriteAt([]byte, int64) error { return errReadOnly }
func (readOnlyFile) Truncate(int64) error        { return errReadOnly }
func (readOnlyFile) Refresh() error              { return nil }
func (readOnlyFile) Sync() error                 { return errReadOnly }

// absolute makes the names of files whole, so that a partition's folder knows its log directory.
func absolute(path string) (string, error) {
	path, err := filepath.Abs(path)
	return filepath.ToSlash(path), err
}
