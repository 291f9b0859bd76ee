package store

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// setPeerTimeout bounds how long sent data may stay unconfirmed. It implements
// net.Dialer.Control.
func setPeerTimeout(network, _ string, c syscall.RawConn) error {
	if network != "tcp4" && network != "tcp6" {
		return nil
	}
	var failed error
	err := c.Control(func(fd uintptr) {
		failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(peerTimeout.Milliseconds()))
	})
	if err != nil {
		return err
	}
	return failed
}
