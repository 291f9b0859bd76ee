package auth

import (
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"roster/internal/directory"
)

// keyFile is a new file with one key.
func keyFile(t *testing.T) KeyFile {
	t.Helper()
	f := KeyFile{Path: filepath.Join(t.TempDir(), "secret.key")}
	if err := f.Create(); err != nil {
		t.Fatal(err)
	}
	return f
}

// addKey adds a key whatever waits.
func addKey(t *testing.T, f KeyFile) *Key {
	t.Helper()
	key, added, err := f.Add(func([]*Key) *Key { return nil })
	if err != nil || !added {
		t.Fatalf("added %v: %v", added, err)
	}
	return key
}

func fingerprints(t *testing.T, f KeyFile) string {
	t.Helper()
	keys, err := f.Read()
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(keys)
}

func TestKeysAreAddedAtTheEndAndDropped(t *testing.T) {
	t.Parallel()
	f := keyFile(t)
	first, err := readKey(f.Path)
	if err != nil {
		t.Fatal(err)
	}
	second := addKey(t, f)
	third := addKey(t, f)
	if got, want := fingerprints(t, f), fmt.Sprint([]*Key{first, second, third}); got != want {
		t.Errorf("the file holds %s, want %s", got, want)
	}
	waiting, added, err := f.Add(func(keys []*Key) *Key { return keys[1] })
	if err != nil || added || waiting.String() != second.String() {
		t.Errorf("%v, added %v: %v; want the second, which waits", waiting, added, err)
	}
	dropped, err := f.Drop(func(k *Key) bool { return k.String() != second.String() })
	if err != nil || fmt.Sprint(dropped) != fmt.Sprint([]*Key{first, third}) {
		t.Errorf("dropped %v: %v", dropped, err)
	}
	if got := fingerprints(t, f); got != fmt.Sprint([]*Key{second}) {
		t.Errorf("the file holds %s", got)
	}
	if _, err := f.Drop(func(*Key) bool { return true }); err == nil || !strings.Contains(err.Error(), "without a key") {
		t.Errorf("all keys dropped: %v", err)
	}
	info, err := os.Stat(f.Path)
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v (%v)", info.Mode(), err)
	}
	text, err := os.ReadFile(f.Path)
	if err != nil || string(text) != second.text+"\n" {
		t.Errorf("the file is not what a single key's was (%v)", err)
	}
}

func TestKeyThatStandsTwiceCountsOnce(t *testing.T) {
	t.Parallel()
	f := keyFile(t)
	text, err := os.ReadFile(f.Path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(f.Path, []byte("\n"+string(text)+"\r\n  "+string(text)), 0o600); err != nil {
		t.Fatal(err)
	}
	if keys, err := f.Read(); err != nil || len(keys) != 1 {
		t.Errorf("%v, %v; want one key", keys, err)
	}
}

// A file that cannot be written is left as it was.
func TestKeyFileThatCannotBeChanged(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(f KeyFile) error{
		"lock in the way": func(f KeyFile) error { return os.Mkdir(f.Path+".lock", 0o700) },
		"file in the way": func(f KeyFile) error { return os.MkdirAll(f.Path+".new/x", 0o700) },
		"read-only directory": func(f KeyFile) error {
			if os.Geteuid() == 0 { // who may write everywhere
				return os.Mkdir(f.Path+".lock", 0o700)
			}
			return os.Chmod(filepath.Dir(f.Path), 0o500)
		},
	} {
		f := keyFile(t)
		before := fingerprints(t, f)
		if err := spoil(f); err != nil {
			t.Fatal(err)
		}
		if _, _, err := f.Add(func([]*Key) *Key { return nil }); err == nil || !strings.Contains(err.Error(), "secret key file") {
			t.Errorf("%s: %v", name, err)
		}
		if after := fingerprints(t, f); after != before {
			t.Errorf("%s: the file holds %s instead of %s", name, after, before)
		}
		_ = os.Chmod(filepath.Dir(f.Path), 0o700)
	}
}

func TestKeyFileOfAnotherUserIsLeftToThem(t *testing.T) {
	t.Parallel()
	root, err := os.Stat("/")
	if err != nil {
		t.Fatal(err)
	}
	if ours(root) != (os.Geteuid() == 0) {
		t.Errorf("the root directory counts as ours: %v", ours(root))
	}
	f := keyFile(t)
	info, err := os.Stat(f.Path)
	if err != nil || !ours(info) {
		t.Errorf("a file that we made counts as another's (%v)", err)
	}
	if os.Chown(f.Path, 65534, -1) != nil {
		return // only root may give a file away
	}
	if _, _, err := f.Add(func([]*Key) *Key { return nil }); err == nil || !strings.Contains(err.Error(), "run this as that user") {
		t.Errorf("%v; want advice", err)
	}
}

// What a process leaves behind that is killed half-way is no hindrance, and
// does not stay.
func TestLeftOverOfAKilledProcessIsReplaced(t *testing.T) {
	t.Parallel()
	f := keyFile(t)
	if err := os.WriteFile(f.Path+".new", []byte("half a k"), 0o600); err != nil {
		t.Fatal(err)
	}
	addKey(t, f)
	if keys, err := f.Read(); err != nil || len(keys) != 2 {
		t.Errorf("%v, %v", keys, err)
	}
	if _, err := os.Stat(f.Path + ".new"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the left-over is still there (%v)", err)
	}
}

func TestLinkToAKeyFileStaysOne(t *testing.T) {
	t.Parallel()
	f := keyFile(t)
	link := KeyFile{Path: filepath.Join(t.TempDir(), "link.key")}
	if err := os.Symlink(f.Path, link.Path); err != nil {
		t.Fatal(err)
	}
	addKey(t, link)
	if info, err := os.Lstat(link.Path); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is gone (%v)", err)
	}
	if keys, err := f.Read(); err != nil || len(keys) != 2 {
		t.Errorf("%v, %v", keys, err)
	}
}

func TestKeysAddedByManyAtOnceAreAllThere(t *testing.T) {
	t.Parallel()
	f := keyFile(t)
	stop := make(chan struct{})
	var readers, writers sync.WaitGroup
	readers.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				if _, err := f.Read(); err != nil {
					t.Errorf("read meanwhile: %v", err)
				}
			}
		}
	})
	added := make([]*Key, 16)
	for i := range added {
		writers.Go(func() { added[i] = addKey(t, f) })
	}
	writers.Wait()
	close(stop)
	readers.Wait()
	held := fingerprints(t, f)
	for _, key := range added {
		if !strings.Contains(held, key.String()) {
			t.Errorf("the key %s is gone", key)
		}
	}
}

// ringOf opens a keyring and counts how often it reads the file.
func ringOf(t *testing.T, f KeyFile) (*Keyring, *atomic.Int64) {
	t.Helper()
	var reads atomic.Int64
	f.Trace = func(step string) {
		if strings.HasSuffix(step, "read") {
			reads.Add(1)
		}
	}
	ring, err := OpenKeyring(f)
	if err != nil {
		t.Fatal(err)
	}
	reads.Store(0)
	return ring, &reads
}

// askTogether asks a hundred times at once for a key.
func askTogether(t *testing.T, ring *Keyring, fingerprint []byte, want error) {
	t.Helper()
	var all sync.WaitGroup
	start := make(chan struct{})
	for range 100 {
		all.Go(func() {
			<-start
			if key, err := ring.Key(fingerprint); !errors.Is(err, want) || (key == nil) != (want != nil) {
				t.Errorf("key %v, error %v", key, err)
			}
		})
	}
	close(start)
	all.Wait()
}

func TestKeyringReadsTheFileOnceForManyWhoMeetANewKey(t *testing.T) {
	t.Parallel()
	f := keyFile(t)
	first, err := readKey(f.Path)
	if err != nil {
		t.Fatal(err)
	}
	ring, reads := ringOf(t, f)
	second := addKey(t, f)
	if _, err := f.Drop(func(k *Key) bool { return k.String() == first.String() }); err != nil {
		t.Fatal(err)
	}
	askTogether(t, ring, second.Fingerprint(), nil)
	if reads.Load() != 1 {
		t.Errorf("the file was read %d times", reads.Load())
	}
	askTogether(t, ring, first.Fingerprint(), nil) // what it had, it keeps
	if reads.Load() != 1 {
		t.Errorf("the file was read %d times", reads.Load())
	}
}

func TestKeyringThatLacksAKeySaysWhatToDoAndFindsItLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, keyringLacksAKey)
}

// keyringLacksAKey runs with a fake clock.
func keyringLacksAKey(t *testing.T) {
	f, other := keyFile(t), keyFile(t)
	first, err := readKey(f.Path)
	if err != nil {
		t.Fatal(err)
	}
	missing, err := readKey(other.Path)
	if err != nil {
		t.Fatal(err)
	}
	ring, reads := ringOf(t, f)
	askTogether(t, ring, missing.Fingerprint(), directory.ErrUnavailable)
	if n := reads.Load(); n != 1 { // one a second
		t.Errorf("the file was read %d times", n)
	}
	_, err = ring.Key(missing.Fingerprint())
	for _, part := range []string{f.Path, missing.String(), "copy the file", "without a restart"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%v; want %q in it", err, part)
		}
	}
	// A file that is spoilt or gone takes nothing away.
	for _, spoil := range []func() error{
		func() error { return os.WriteFile(f.Path, []byte("half a k"), 0o600) },
		func() error { return os.Remove(f.Path) },
	} {
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(lookAgain)
		if _, err := ring.Key(missing.Fingerprint()); !errors.Is(err, directory.ErrUnavailable) || !strings.Contains(err.Error(), "(") {
			t.Errorf("%v; want the reason too", err)
		}
		if _, err := ring.Key(first.Fingerprint()); err != nil {
			t.Error(err)
		}
	}
	if err := os.Rename(other.Path, f.Path); err != nil {
		t.Fatal(err)
	}
	time.Sleep(lookAgain - time.Nanosecond)
	if _, err := ring.Key(missing.Fingerprint()); !errors.Is(err, directory.ErrUnavailable) {
		t.Errorf("within a second: %v", err)
	}
	time.Sleep(time.Nanosecond)
	if _, err := ring.Key(missing.Fingerprint()); err != nil {
		t.Errorf("after a second: %v", err)
	}
}

func TestKeyIsNeverPrinted(t *testing.T) {
	t.Parallel()
	key := testKey(t)
	raw, err := base64.StdEncoding.DecodeString(key.text)
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q"} {
		shown := fmt.Sprintf(verb, key)
		if strings.Contains(shown, key.text) || strings.Contains(shown, string(raw)) || strings.Contains(shown, fmt.Sprintf("%x", key.text)) {
			t.Errorf("%s shows the key", verb)
		}
	}
}
