//go:build !linux

package store

import "syscall"

// setPeerTimeout does nothing: only Linux bounds how long sent data may stay
// unconfirmed. Keep-alive messages detect an unreachable host there too.
func setPeerTimeout(_, _ string, _ syscall.RawConn) error { return nil }
