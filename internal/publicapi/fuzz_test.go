package publicapi_test

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"unicode"

	"roster/internal/publicapi"
	"roster/internal/rostertest"
	"roster/internal/server"
	"roster/internal/storetest"
	"roster/internal/web"
)

// aroundBody is what stands around the body of a call.
type aroundBody struct{ method, query, contentType, auth, requestID, override string }

// removes says, by the words of the contract, whether a call with that around
// a right body removes anybody.
func (a aroundBody) removes(token string) bool {
	query, err := url.ParseQuery(a.query)
	for key, values := range query {
		letters := strings.ToLower(strings.Join(strings.FieldsFunc(key, func(r rune) bool { return !unicode.IsLetter(r) }), ""))
		switch {
		case key == "dryRun":
			if len(values) > 1 || values[0] != "false" {
				return false
			}
		case key == "atomic": // of one, who is there
			if len(values) > 1 || values[0] != "false" && values[0] != "true" {
				return false
			}
		case strings.Contains(letters, "dryrun"), strings.Contains(letters, "atomic"),
			slices.Contains([]string{"preview", "simulate", "whatif", "noop", "test"}, letters):
			return false
		}
	}
	mediaType, _, _ := strings.Cut(a.contentType, ";")
	return err == nil && strings.TrimSpace(a.auth) == token &&
		(a.method == "DELETE" || (a.method == "POST" && strings.EqualFold(a.override, "delete"))) &&
		(a.contentType == "" || strings.EqualFold(strings.TrimSpace(mediaType), "application/json"))
}

// FuzzRequest puts any text around a body that names somebody. They are removed
// when they should be and only then; no call is a fault of the server's, and
// each answer is JSON under a request id that a log can hold.
func FuzzRequest(f *testing.F) {
	const ann = "ann@example.com"
	s := rostertest.Start(f, storetest.New(f, "sqlite"), rostertest.Options{})
	account := s.Account("owner@example.com")
	token := s.App(account).Token(nil)
	s.Users(account, ann)
	log := slog.New(slog.DiscardHandler)
	door := web.Wrap(publicapi.New(s.Roster, log, publicapi.Limits{}), log, server.DefaultTimeouts.Timeouts, publicapi.OnPanic, nil)
	for _, a := range []aroundBody{
		{"DELETE", "", "application/json", "TOKEN", "id-1", ""},
		{"DELETE", "dryRun=true", "application/json; charset=utf-8", "TOKEN", "", ""},
		{"DELETE", "dryRun=false&atomic=false&reasons=codes", "", "TOKEN", "\x01", "DELETE"},
		{"DELETE", "atomic=true;x", "text/plain", " TOKEN ", "a b", ""},
		{"DELETE", "isDryRun=&pre-view", "application/json", "TOKEN", "", ""},
		{"DELETE", "dryRun=%zz", "application/json", "TOKENx", strings.Repeat("i", 129), ""},
		{"DELETE", "dryrun=1&reasons=codes&reasons=x", "APPLICATION/JSON;a=b;a=c", "TOKEN", "\u00e9", ""},
		{"POST", "dryRun", "application/json", "TOKEN", "", "delete"},
		{"POST", "", "application/json", "TOKEN", "", "Delete"},
		{"delete", "x=1", ";", "Bearer TOKEN", "", ""},
		{"DELETE", "", "application/json", "a.b.c", "", ""},
		{"\x00", "\x00", "\x00", "\x00", "\x00", "\x00"},
	} {
		f.Add(a.method, a.query, a.contentType, a.auth, a.requestID, a.override)
	}
	f.Fuzz(func(t *testing.T, method, query, contentType, auth, requestID, override string) {
		s := *s // for helpers that fail this run
		s.T = t
		// The token is another one in each process.
		a := aroundBody{method, query, contentType, strings.ReplaceAll(auth, "TOKEN", token), requestID, override}
		r := httptest.NewRequest(http.MethodGet, "/api/public/users", strings.NewReader(`{"deleteEmailIds":["`+ann+`"]}`))
		r.Method, r.URL.RawQuery = a.method, a.query
		for name, value := range map[string]string{
			"Content-Type": a.contentType, "Auth": a.auth, "X-Request-Id": a.requestID, "X-Http-Method-Override": a.override,
		} {
			if value != "" {
				r.Header.Set(name, value)
			}
		}
		w := httptest.NewRecorder()
		door.ServeHTTP(w, r)
		removed := len(s.Members(account)) == 1
		if removed {
			s.Users(account, ann)
		}
		says := w.Code == http.StatusOK && !strings.Contains(w.Body.String(), `"dryRun":true`)
		if removed != a.removes(token) || removed != says {
			t.Errorf("%q: removed %v, answer %d %s", a, removed, w.Code, w.Body)
		}
		if w.Code >= 500 || !json.Valid(w.Body.Bytes()) {
			t.Errorf("%q: answer %d %s", a, w.Code, w.Body)
		}
		id := w.Header().Get("X-Request-Id")
		if id == "" || len(id) > 128 || strings.Trim(id, visible) != "" {
			t.Errorf("%q: request id %q", a, id)
		}
	})
}

// visible are the characters of ASCII that can be seen.
const visible = "!\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~"
