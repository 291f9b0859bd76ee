//go:build !unix

package auth

import "os"

// ours says whether the file belongs to the user whom this process runs as:
// there is no telling.
func ours(os.FileInfo) bool { return true }

// giveAccess does nothing: the directory decides who may read a file.
func giveAccess(*os.File, os.FileInfo) error { return nil }
