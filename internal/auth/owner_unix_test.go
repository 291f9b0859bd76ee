//go:build unix

package auth

import (
	"os"
	"syscall"
	"testing"
)

// A server that runs as another user reads the file by its group: that must
// still be so after a change.
func TestKeyFileKeepsWhoMayReadIt(t *testing.T) {
	t.Parallel()
	f := keyFile(t)
	if err := os.Chmod(f.Path, 0o640); err != nil {
		t.Fatal(err)
	}
	if group := otherGroup(); os.Chown(f.Path, -1, group) != nil {
		t.Fatalf("the file cannot be given to the group %d", group)
	}
	before, err := os.Stat(f.Path)
	if err != nil {
		t.Fatal(err)
	}
	addKey(t, f)
	after, err := os.Stat(f.Path)
	if err != nil {
		t.Fatal(err)
	}
	if after.Mode() != before.Mode() || groupOf(after) != groupOf(before) {
		t.Errorf("mode %v of group %d; want %v of %d", after.Mode(), groupOf(after), before.Mode(), groupOf(before))
	}
}

// otherGroup is a group to which this process may give a file, another than
// that which its files have by themselves, if there is one.
func otherGroup() int {
	if os.Geteuid() == 0 {
		return os.Getegid() + 1
	}
	groups, _ := os.Getgroups() // none will do
	for _, group := range groups {
		if group != os.Getegid() {
			return group
		}
	}
	return os.Getegid()
}

func groupOf(info os.FileInfo) uint32 {
	return info.Sys().(*syscall.Stat_t).Gid
}
