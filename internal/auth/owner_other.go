//go:build !unix

package auth

import "os"

// ours says whether the file belongs to the user whom this process runs as:
// there is no telling.
func ours(os.FileInfo) bool { return true }
