package storetest

import (
	"os"
	"testing"
	"time"
)

// What a killed test binary has left behind goes; what one uses, or has just made,
// stays.
func TestUnusedServerDirsAreRemoved(t *testing.T) {
	t.Parallel()
	used, lock, err := makeServerDir()
	if err != nil {
		t.Fatal(err)
	}
	left, fresh := t.TempDir(), t.TempDir()
	for _, dir := range []string{used, left} {
		if err := os.Chtimes(dir, time.Time{}, time.Now().Add(-time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	gone := func(dir string) bool {
		removeUnused(dir)
		_, err := os.Stat(dir)
		return os.IsNotExist(err)
	}
	if gone(used) || gone(fresh) || !gone(left) {
		t.Error("the wrong ones are gone")
	}
	lock.Close()
	if !gone(used) {
		t.Error("nobody uses it any more, and it stays")
	}
}
