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
