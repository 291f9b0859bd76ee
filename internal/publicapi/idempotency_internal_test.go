package publicapi

import (
	"net/http"
	"strings"
	"testing"
)

// FuzzIdempotencyKey reads any text as a key. A key is visible ASCII of a bounded
// length, and each has one quoted spelling, which names the same.
func FuzzIdempotencyKey(f *testing.F) {
	for _, text := range []string{"", " ", "k", " k ", `"k"`, `"a\"b"`, `"a\b"`, `"a"b`, `"`, `"\`, `""`, "a b", "a\tb", "\x7f", "é", strings.Repeat("k", 256)} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		read := func(values ...string) (string, error) {
			return readIdempotencyKey(http.Header{headerIdempotencyKey: values})
		}
		if _, err := read(text, text); err == nil {
			t.Errorf("%q twice is a key", text)
		}
		key, err := read(text)
		if err != nil {
			if key != "" || toWire(err).status != http.StatusPreconditionFailed {
				t.Errorf("%q: key %q, error %v", text, key, err)
			}
			return
		}
		if key == "" || len(key) > 255 || strings.ContainsFunc(key, func(r rune) bool { return r < '!' || r > '~' }) {
			t.Errorf("%q: key %q", text, key)
		}
		quoted := `"` + strings.NewReplacer(`"`, `\"`, `\`, `\\`).Replace(key) + `"`
		if same, err := read(quoted); same != key || err != nil {
			t.Errorf("%q: key %q; as %q it is %q, error %v", text, key, quoted, same, err)
		}
		if bare := strings.TrimSpace(text); key != bare && !strings.HasPrefix(bare, `"`) {
			t.Errorf("%q: key %q", text, key)
		}
	})
}
