//go:build unix

package auth

import (
	"os"
	"syscall"
)

// ours says whether the file belongs to the user whom this process runs as.
func ours(info os.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return !ok || int(stat.Uid) == os.Geteuid()
}

// giveAccess lets those read f, a file of ours, who may read the one with this
// info: its group and its mode become the same.
func giveAccess(f *os.File, info os.FileInfo) error {
	made, err := f.Stat()
	if err != nil {
		return err
	}
	want, ok := info.Sys().(*syscall.Stat_t)
	if is, known := made.Sys().(*syscall.Stat_t); ok && known && is.Gid != want.Gid {
		if err := f.Chown(-1, int(want.Gid)); err != nil {
			return err
		}
	}
	return f.Chmod(info.Mode().Perm())
}
