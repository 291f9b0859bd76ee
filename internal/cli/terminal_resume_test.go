package cli_test

import (
	"path/filepath"
	"testing"
)

// A removal that was interrupted shows where it goes on, asks for those who are
// left, and says so when nothing is left.
func TestResumedRemovalOnTerminal(t *testing.T) {
	t.Parallel()
	h := newHost(t, nil, false)
	t.Cleanup(func() { close(h.letGo) }) // or a call that waits keeps the host from closing
	args := []string{
		"user", "remove", "--from", leavers(t, 30), "--batch-size", "10", "--resume-file", filepath.Join(t.TempDir(), "resume"),
	}
	s := startSession(t, normal(h.env()...), append(args, "--yes")...)
	<-h.calls
	h.letGo <- struct{}{}
	<-h.calls
	s.wait(t, `Removing users 10 / 30 `)
	s.send("\x03")
	s.end(1)
	s.wait(t, `10 of 30 users are known to be removed. Run the same command again to go on.\r\nroster: call the server: .*\r\n$`)
	h.letGo <- struct{}{} // the host has done it

	s = startSession(t, normal(h.env()...), args...)
	s.wait(t, `This removes up to 20 users from the account. Type 20 to go on: `)
	s.send("20\n")
	<-h.calls
	s.wait(t, `Removing users 10 / 30 +\[=+>-+\] 33 % +\d+s`)
	h.letGo <- struct{}{}
	<-h.calls
	s.wait(t, `Removing users 20 / 30 +\[=+>-+\] 67 % +[\d.]+/s +\d+s left`)
	h.letGo <- struct{}{}
	s.end(0)
	s.wait(t, `30 of 30 users removed, 0 not removed.\r\n$`)

	s = startSession(t, normal(h.env()...), args...)
	s.end(0)
	s.wait(t, `^roster: an earlier run has dealt with all of the list, as .*resume says: nobody was removed now\r\n30 of 30 users removed, 0 not removed.\r\n$`)
}

// Who may be out by a lost call stands in a table of their own.
func TestUnclearOnTerminal(t *testing.T) {
	t.Parallel()
	url := answering(t, "", `{"failedUserDetails":[{"emailId":"ann@example.com","reason":{"message":"User not found"}},{"emailId":"bo@example.com","reason":{"message":"no"}}]}`)
	s := startSession(t, normal("ROSTER_HOST="+url, "ROSTER_CLIENT_ID=cs-1", "ROSTER_CLIENT_SECRET=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
		"user", "remove", "--yes", "--resume-file", filepath.Join(t.TempDir(), "resume"), "ann@example.com", "bo@example.com", "cy@example.com")
	s.end(3)
	s.wait(t, `NOT REMOVED     REASON\r\nbo@example.com  no\r\n\r\nUNCLEAR          REASON\r\nann@example.com  User not found\r\n\r\n`+
		`1 of 3 users removed, 1 not removed, 1 unclear: they are out, by a call whose answer was lost or before it.\r\n$`)
}
