package storetest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// A server makes and removes some hundred files for each database, which a disk
// takes longer over than over all that a test then does. So the files are kept in
// memory, where the machine has enough of it.
const (
	memory     = "/dev/shm"
	memoryFree = 8 << 30 // for the packages that are tested at once, with room to spare
)

// makeServerDir makes the directory of a server. One that a killed test binary
// has left behind is removed first: nobody else would give its memory back.
func makeServerDir() (string, error) {
	place := serverPlace()
	left, _ := filepath.Glob(filepath.Join(place, "roster-postgres-*-*"))
	for _, dir := range left {
		var pid int
		if _, err := fmt.Sscanf(filepath.Base(dir), "roster-postgres-%d-", &pid); err == nil && errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			_ = os.RemoveAll(dir)
		}
	}
	return os.MkdirTemp(place, fmt.Sprintf("roster-postgres-%d-", os.Getpid()))
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
