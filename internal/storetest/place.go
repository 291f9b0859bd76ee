package storetest

import (
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// A server makes and removes some hundred files for each database, which takes a
// while on a disk. So the files are kept in memory, where the machine has enough of it.
const (
	memory     = "/dev/shm"
	memoryFree = 8 << 30 // for the packages that are tested at once, with room to spare
)

// makeServerDir makes the directory of a server, and removes those that killed test
// binaries have left behind: nobody else would give their memory back. Until the
// returned file is closed, or the process ends, the directory is in use.
func makeServerDir() (dir string, use *os.File, err error) {
	place := serverPlace()
	left, _ := filepath.Glob(filepath.Join(place, "roster-postgres-*"))
	for _, dir := range left {
		removeUnused(dir)
	}
	if dir, err = os.MkdirTemp(place, "roster-postgres-"); err != nil {
		return "", nil, err
	}
	if use, err = os.Open(dir); err == nil {
		err = syscall.Flock(int(use.Fd()), syscall.LOCK_SH)
	}
	return dir, use, err
}

// removeUnused removes the directory of a server that nobody has. One that was just
// made may not be locked yet.
func removeUnused(dir string) {
	f, err := os.Open(dir)
	if err != nil {
		return
	}
	defer f.Close()
	info, err := f.Stat()
	if err == nil && time.Since(info.ModTime()) > time.Minute && syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
		_ = os.RemoveAll(dir) // another user's stays
	}
}

// serverPlace returns where servers keep their files. A benchmark, which flushes
// them, gets a disk.
func serverPlace() string {
	var fs syscall.Statfs_t
	if Fsync || syscall.Statfs(memory, &fs) != nil || fs.Bavail*uint64(fs.Bsize) < memoryFree {
		return os.TempDir()
	}
	return memory
}
