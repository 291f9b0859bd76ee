package auth

import (
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/lockedfile"

	"roster/internal/directory"
)

// KeyFile is a file of secret keys: one on each line, 32 bytes in standard
// base64, the newest last. It holds one key, but for the time of a rotation.
type KeyFile struct {
	Path string
	// Trace is called before the steps of a change and before a keyring reads.
	// Tests fail there, or count.
	Trace func(step string)
}

func (f KeyFile) traced(step string) {
	if f.Trace != nil {
		f.Trace("key file: " + step)
	}
}

// Read reads all keys, at least one. The error wraps os.ErrNotExist when there
// is no file, and directory.ErrInvalid when anything in it is no key.
func (f KeyFile) Read() ([]*Key, error) {
	text, err := os.ReadFile(f.Path)
	if err != nil {
		return nil, err
	}
	var keys []*Key
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		raw, err := base64.StdEncoding.DecodeString(line)
		if err != nil || len(raw) != keySize {
			return nil, f.invalid()
		}
		key, err := newKey(raw)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(keys, func(k *Key) bool { return k.text == key.text }) {
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 {
		return nil, f.invalid()
	}
	return keys, nil
}

func (f KeyFile) invalid() error {
	return directory.Errorf(directory.ErrInvalid, "secret key file %s should hold %d bytes in base64 on each line", f.Path, keySize)
}

// Create makes a file with a new key that only its owner can read, unless there
// is a file already. Its directory is made when it is missing.
func (f KeyFile) Create() error {
	dir := filepath.Dir(f.Path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	key, err := randomKey()
	if err != nil {
		return err
	}
	// The file appears whole or not at all: a link fails where a rename would
	// replace the key of a process that was quicker.
	tmp, err := os.CreateTemp(dir, filepath.Base(f.Path)+".*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.WriteString(key.text + "\n")
	if err := errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return fmt.Errorf("write the secret key file %s: %w", f.Path, err)
	}
	err = os.Link(tmp.Name(), f.Path)
	if _, missing := os.Stat(f.Path); missing != nil { // a file system without links
		err = os.Rename(tmp.Name(), f.Path)
	}
	if err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("write the secret key file %s: %w", f.Path, err)
	}
	syncDir(dir)
	return nil
}

// Add puts a new key at the end of the file, unless waiting finds one among
// those it holds that will do. It returns that key, and whether it is new.
func (f KeyFile) Add(waiting func([]*Key) *Key) (key *Key, added bool, err error) {
	err = f.edit(func(keys []*Key) (_ []*Key, err error) {
		if key = waiting(keys); key != nil {
			return keys, nil
		}
		added = true
		key, err = randomKey()
		return append(slices.Clip(keys), key), err
	})
	return key, added, err
}

// Drop takes those keys out of the file that drop chooses, and returns them.
func (f KeyFile) Drop(drop func(*Key) bool) (dropped []*Key, err error) {
	err = f.edit(func(keys []*Key) ([]*Key, error) {
		var left []*Key
		for _, key := range keys {
			if drop(key) {
				dropped = append(dropped, key)
			} else {
				left = append(left, key)
			}
		}
		return left, nil
	})
	return dropped, err
}

// edit changes the keys of the file while no other process of this machine
// does. Whoever reads it finds the keys of before or those of after. The error
// wraps directory.ErrUnavailable when the file cannot be written.
func (f KeyFile) edit(change func([]*Key) ([]*Key, error)) error {
	// A link stays one: what it points to is replaced.
	path, err := filepath.EvalSymlinks(f.Path)
	if err != nil {
		return err
	}
	f.traced("lock")
	unlock, err := lockedfile.MutexAt(path + ".lock").Lock()
	if err != nil {
		return fmt.Errorf("%w: lock the secret key file: %w", directory.ErrUnavailable, err)
	}
	defer unlock()
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !ours(info) {
		return fmt.Errorf("the secret key file %s belongs to another user: run this as that user, or the servers could not read it any more", path)
	}
	before, err := f.Read()
	if err != nil {
		return err
	}
	after, err := change(before)
	if err != nil || slices.Equal(before, after) {
		return err
	}
	if len(after) == 0 {
		return fmt.Errorf("the secret key file %s would be left without a key", f.Path)
	}
	if err := f.replace(path, info, after); err != nil {
		return fmt.Errorf("%w: write the secret key file %s: %w", directory.ErrUnavailable, f.Path, err)
	}
	return nil
}

// replace writes the file under another name and renames it. That name is
// always the same: what a killed process left there is replaced by the next.
// Who could read the file with this info can read the new one.
func (f KeyFile) replace(path string, info os.FileInfo, keys []*Key) error {
	var text strings.Builder
	for _, key := range keys {
		text.WriteString(key.text + "\n")
	}
	name := path + ".new"
	if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	f.traced("create")
	tmp, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer os.Remove(name) // after the rename there is nothing
	f.traced("write")
	access := giveAccess(tmp, info)
	_, err = tmp.WriteString(text.String())
	f.traced("sync")
	if err := errors.Join(access, err, tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	f.traced("rename")
	if err := os.Rename(name, path); err != nil {
		return err
	}
	f.traced("sync directory")
	syncDir(filepath.Dir(path))
	return nil
}

// syncDir makes a new name in the directory survive a power cut, as far as the
// file system can: the database will soon hold secrets that need the key.
func syncDir(dir string) {
	if d, err := os.Open(dir); err == nil {
		_ = d.Sync()
		_ = d.Close()
	}
}
