package publicapi_test

import (
	"encoding/json"
	"io/fs"
	"strings"
	"testing"

	"github.com/c2sp/wycheproof"

	"roster/internal/auth"
	"roster/internal/rostertest"
	"roster/internal/storetest"
)

// wycheproofTokens reads the tokens of all vectors about JSON Web Signatures,
// Encryption, Keys and both.
func wycheproofTokens(t *testing.T) (tokens []string) {
	t.Helper()
	for _, name := range []string{"signature", "encryption", "key", "crypto"} {
		text, err := fs.ReadFile(wycheproof.TestVectors, "json_web_"+name+"_test.json")
		if err != nil {
			t.Fatal(err)
		}
		var file struct {
			TestGroups []struct {
				Tests []struct{ JWS, JWE json.RawMessage }
			}
		}
		if err := json.Unmarshal(text, &file); err != nil {
			t.Fatal(err)
		}
		for _, group := range file.TestGroups {
			for _, test := range group.Tests {
				for _, raw := range []json.RawMessage{test.JWS, test.JWE} {
					if raw != nil {
						tokens = append(tokens, unquote(raw))
					}
				}
			}
		}
	}
	return tokens
}

// unquote is a text, or the JSON itself where the vector is no text.
func unquote(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) != nil {
		return string(raw)
	}
	return text
}

// Reliability S1: of Wycheproof's tokens none is taken, those included that are
// valid under keys of their own.
func TestWycheproofTokens(t *testing.T) {
	t.Parallel()
	tokens := wycheproofTokens(t)
	if len(tokens) < 640 {
		t.Fatalf("%d tokens", len(tokens))
	}
	storetest.EachInLong(t, func(t *testing.T, dsn string) {
		w := start(t, dsn, rostertest.Options{})
		w.check(good("control", nil))
		w.recast()
		if _, err := w.Roster.PlatformKey(t.Context(), auth.Operator()); err != nil { // which is made now
			t.Fatal(err)
		}
		before := w.Dump()
		for _, token := range tokens {
			if strings.ContainsAny(token, "\r\n\x00") { // no header can hold it
				if _, err := w.Roster.Authenticate(t.Context(), token); err == nil {
					t.Errorf("taken: %q", token)
				}
				continue
			}
			got := w.Do(rostertest.Request{Body: emails(ann, bob, cleo), Token: token})
			if got.Status != 401 || got.Body != badToken && got.Body != noToken {
				t.Errorf("answered %d %s\n   token %s", got.Status, got.Body, token)
			}
		}
		w.unchanged(before)
		if to := calledAway(); len(to) > 0 {
			t.Errorf("the server has tried to reach %q", to)
		}
	})
}
