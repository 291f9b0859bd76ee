package auth

import (
	"bytes"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"roster/internal/directory"
)

func testKey(t testing.TB) *Key {
	t.Helper()
	key, err := randomKey()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// createKey makes a key file as the first start does, and reads it.
func createKey(path string) (*Key, error) {
	if err := (KeyFile{Path: path}).Create(); err != nil {
		return nil, err
	}
	return readKey(path)
}

// readKey reads a key file and returns its newest key.
func readKey(path string) (*Key, error) {
	keys, err := KeyFile{Path: path}.Read()
	if err != nil {
		return nil, err
	}
	return keys[len(keys)-1], nil
}

func TestSealedTextOpensWithItsKeyAndPurposeAlone(t *testing.T) {
	t.Parallel()
	key, other := testKey(t), testKey(t)
	for _, plain := range []string{"", "x", NewClientSecret(), strings.Repeat("long", 1000)} {
		sealed := key.Seal([]byte(plain), "secret of app 1")
		if len(plain) > 1 && bytes.Contains(sealed, []byte(plain)) {
			t.Errorf("%.10q can be read in the sealed text", plain)
		}
		if got, err := key.Open(sealed, "secret of app 1"); err != nil || string(got) != plain {
			t.Errorf("opened %.10q, %v; want %.10q", got, err, plain)
		}
		if got, err := key.Open(sealed, "secret of app 2"); err == nil {
			t.Errorf("opened %.10q for another purpose", got)
		}
		if got, err := other.Open(sealed, "secret of app 1"); err == nil {
			t.Errorf("opened %.10q with another key", got)
		} else if !strings.Contains(err.Error(), "secret of app 1") {
			t.Errorf("%v: should say what could not be opened", err)
		}
	}
}

func TestSealingTwiceGivesTwoTexts(t *testing.T) {
	t.Parallel()
	key := testKey(t)
	if bytes.Equal(key.Seal([]byte("x"), "p"), key.Seal([]byte("x"), "p")) {
		t.Error("one text: equal secrets can be told")
	}
}

func TestChangedSealedTextIsRefused(t *testing.T) {
	t.Parallel()
	key := testKey(t)
	sealed := key.Seal([]byte("client secret"), "p")
	for i := range sealed {
		changed := bytes.Clone(sealed)
		changed[i] ^= 1
		if got, err := key.Open(changed, "p"); err == nil {
			t.Errorf("byte %d changed, yet it opened as %q", i, got)
		}
		if got, err := key.Open(sealed[:i], "p"); err == nil {
			t.Errorf("cut to %d bytes, yet it opened as %q", i, got)
		}
	}
	if _, err := key.Open(append(bytes.Clone(sealed), 0), "p"); err == nil {
		t.Error("a byte more, yet it opened")
	}
}

func TestFingerprintTellsKeysApartAndGivesNothingAway(t *testing.T) {
	t.Parallel()
	raw := bytes.Repeat([]byte{7}, keySize)
	a, errA := newKey(raw)
	again, errAgain := newKey(raw)
	b, errB := newKey(bytes.Repeat([]byte{8}, keySize))
	if err := errors.Join(errA, errAgain, errB); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a.Fingerprint(), again.Fingerprint()) || bytes.Equal(a.Fingerprint(), b.Fingerprint()) {
		t.Error("the fingerprint should depend on the key, and on it alone")
	}
	if len(a.Fingerprint()) != 16 || bytes.Contains(raw, a.Fingerprint()[:4]) {
		t.Errorf("fingerprint %x", a.Fingerprint())
	}
}

func TestCreatedKeyFileIsItsOwnersAlone(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "new", "config")
	path := filepath.Join(dir, "secret.key")
	key, err := createKey(path)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]os.FileMode{path: 0o600, dir: 0o700 | os.ModeDir} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != want {
			t.Errorf("%s has mode %v, want %v", path, info.Mode(), want)
		}
	}
	read, err := readKey(path)
	if err != nil || !bytes.Equal(read.Fingerprint(), key.Fingerprint()) {
		t.Errorf("the file holds another key than was returned (%v)", err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(text))); err != nil || len(raw) != 32 {
		t.Errorf("the file holds %d bytes of key (%v), want 32 in base64", len(raw), err)
	}
}

func TestCreateKeyNeverReplacesAKey(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "secret.key")
	first, err := createKey(path)
	if err != nil {
		t.Fatal(err)
	}
	second, err := createKey(path)
	if err != nil || !bytes.Equal(first.Fingerprint(), second.Fingerprint()) {
		t.Errorf("the second call made another key (%v)", err)
	}
}

func TestKeyCreatedByManyAtOnceIsOneKey(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "secret.key")
	fingerprints := make([]string, 16)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range fingerprints {
		wg.Go(func() {
			<-start
			key, err := createKey(path)
			if err != nil {
				t.Error(err)
				return
			}
			fingerprints[i] = string(key.Fingerprint())
		})
	}
	close(start)
	wg.Wait()
	for i, f := range fingerprints {
		if f != fingerprints[0] {
			t.Errorf("caller %d got another key", i)
		}
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 1 {
		t.Errorf("%v left behind (%v), want the key file alone", files, err)
	}
}

func TestFileThatHoldsNoKeyIsRefusedByName(t *testing.T) {
	t.Parallel()
	whole := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{0xfb}, keySize)) // has + and /
	for name, text := range map[string]string{
		"empty":           "",
		"blank":           " \n",
		"short":           whole[:40],
		"31 bytes":        base64.StdEncoding.EncodeToString(make([]byte, 31)),
		"33 bytes":        base64.StdEncoding.EncodeToString(make([]byte, 33)),
		"a key and more":  whole + "\n" + whole[:40],
		"keys in a line":  whole + " " + whole,
		"a remark":        "# keys\n" + whole,
		"raw bytes":       string(bytes.Repeat([]byte{0xfb}, keySize)),
		"hexadecimal":     strings.Repeat("ab", keySize),
		"URL alphabet":    strings.NewReplacer("+", "-", "/", "_").Replace(whole),
		"without padding": strings.TrimRight(whole, "="),
	} {
		path := filepath.Join(t.TempDir(), "secret.key")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := readKey(path)
		if !errors.Is(err, directory.ErrInvalid) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v; want ErrInvalid and the path", name, err)
		} else if text != "" && strings.TrimSpace(text) != "" && strings.Contains(err.Error(), text) {
			t.Errorf("%s: the error quotes what could be a key", name)
		}
		if key, err := createKey(path); err == nil {
			t.Errorf("%s: CreateKey took it as %x", name, key.Fingerprint())
		}
		if left, err := os.ReadFile(path); err != nil || string(left) != text {
			t.Errorf("%s: CreateKey changed the file (%v)", name, err)
		}
	}
}

func TestKeyFileMayEndInAnyLineBreak(t *testing.T) {
	t.Parallel()
	whole := base64.StdEncoding.EncodeToString(make([]byte, keySize))
	for _, text := range []string{whole, whole + "\n", whole + "\r\n", "  " + whole + " \n\n"} {
		path := filepath.Join(t.TempDir(), "secret.key")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := readKey(path); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestKeyFileThatCannotBeReadOrMade(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := readKey(filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing file: %v, want os.ErrNotExist", err)
	}
	if _, err := readKey(dir); err == nil || errors.Is(err, os.ErrNotExist) {
		t.Errorf("directory: %v, want an error other than os.ErrNotExist", err)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := createKey(filepath.Join(file, "secret.key")); err == nil {
		t.Error("made a key file below a file")
	}
	if _, err := createKey(dir); err == nil {
		t.Error("made a key file in place of a directory")
	}
}
