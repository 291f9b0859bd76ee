// Package outfile writes files at paths that an operator chooses. It owns the
// rule that such a path must not be a file that the program or a database still
// needs, and it replaces files atomically. What a file contains, and whether one
// that exists may be replaced, is decided by the package that writes it.
package outfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/rogpeppe/go-internal/lockedfile"

	"roster/internal/directory"
)

// companions are the endings of the names of files that stand beside a SQLite
// database and belong to it: those of SQLite, and ours.
var companions = []string{
	"-wal", "-shm", "-journal",
	".lock", ".migrate", ".key", ".key.lock", ".key.new", ".key.checkpoint", ".key.checkpoint.lock",
}

// Companions are the paths of the files that stand beside the SQLite database at
// path and belong to it, whether they exist or not.
func Companions(path string) []string {
	all := make([]string, len(companions))
	for i, ending := range companions {
		all[i] = path + ending
	}
	return all
}

// Check refuses a path to which a file is to be written if something else needs
// it: one of the files used, a file beside a SQLite database that belongs to it,
// or anything that is not a regular file. Files are compared by device and inode,
// so links do not deceive it. Empty paths in used count for nothing. The error
// wraps directory.ErrInvalid.
func Check(path string, used ...string) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		if info, err = os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
			info, err = nil, nil
		}
	}
	if err != nil {
		return err
	}
	if info != nil && !info.Mode().IsRegular() { // a symbolic link here leads nowhere
		return directory.Errorf(directory.ErrInvalid, "%s is not a regular file: choose another name", path)
	}
	for _, other := range used {
		if other != "" && Same(path, other) {
			return directory.Errorf(directory.ErrInvalid, "%s is %s, which is in use: choose another name", path, other)
		}
	}
	resolved := Resolve(path)
	for _, ending := range companions {
		owner, found := strings.CutSuffix(resolved, ending)
		if found && isSQLite(owner, used) {
			return directory.Errorf(directory.ErrInvalid, "%s belongs to the database %s: choose another name", path, owner)
		}
	}
	return nil
}

// isSQLite reports whether there is a SQLite database at path. It does not open
// one of the files used: closing a file drops the locks that the process holds on
// it, those of SQLite too.
func isSQLite(path string, used []string) bool {
	for _, other := range used {
		if other != "" && Same(path, other) {
			return true
		}
	}
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
		return false
	}
	file, err := os.Open(path)
	if err != nil {
		return false
	}
	defer file.Close()
	const magic = "SQLite format 3\x00"
	begin := make([]byte, len(magic))
	_, err = io.ReadFull(file, begin)
	return err == nil && string(begin) == magic
}

// Same reports whether two paths name one file. Files that exist are compared by
// device and inode, others by their resolved paths.
func Same(a, b string) bool {
	infoA, errA := os.Stat(a)
	infoB, errB := os.Stat(b)
	if errA == nil && errB == nil {
		return os.SameFile(infoA, infoB)
	}
	return Resolve(a) == Resolve(b)
}

// Resolve returns the absolute path of a file without symbolic links. The file
// need not exist.
func Resolve(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	if resolved, err := filepath.EvalSymlinks(path); err == nil {
		return resolved
	}
	if dir, err := filepath.EvalSymlinks(filepath.Dir(path)); err == nil {
		return filepath.Join(dir, filepath.Base(path))
	}
	return path
}

// Lock checks the path, as Check does, and that of its lock file, and waits until
// no other process has the lock.
func Lock(path string, used ...string) (unlock func(), err error) {
	lock := path + ".lock"
	for _, p := range []string{path, lock} {
		if err := Check(p, used...); err != nil {
			return nil, err
		}
	}
	return lockedfile.MutexAt(lock).Lock()
}

// Replace writes a file that only its owner can read and puts it at path when all
// of it is on the disk. A file that was there is replaced; if path is a symbolic
// link, the file that it names.
func Replace(path string, write func(io.Writer) error) error {
	path = Resolve(path)
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name()) // fails once the file has its name
	err = write(tmp)
	if err := errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	return Rename(tmp.Name(), path)
}

// Rename renames a file and waits until the new name is on the disk.
func Rename(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return err
	}
	return SyncDir(filepath.Dir(to))
}

// Link gives a file a second name, unless there is a file of that name, and waits
// until the name is on the disk. On a file system without links the file gets the
// new name alone. The error wraps fs.ErrExist when there is such a file.
func Link(from, to string) error {
	err := os.Link(from, to)
	if _, missing := os.Stat(to); err != nil && errors.Is(missing, fs.ErrNotExist) {
		err = os.Rename(from, to)
	}
	if err != nil {
		return err
	}
	return SyncDir(filepath.Dir(to))
}

// SyncDir waits until the names in a directory are on the disk.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync the directory: %w", err)
	}
	return errors.Join(d.Sync(), d.Close())
}
