package console_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"roster/internal/rostertest"
	"roster/internal/storetest"
)

// A path, a query and a form that are not text are refused where they are taken
// apart: the database, which could not hold them, never sees them.
func TestWhatIsNoText(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		s := rostertest.Start(t, dsn, rostertest.Options{})
		setPassword(t, s, s.Account(owner), owner)
		c := signedIn(t, s, owner)
		for _, route := range routes(s) {
			method, pattern, _ := strings.Cut(route, " ")
			path := placeholder.ReplaceAllString(pattern, "x")
			for _, bad := range []string{"\x00", "a\x00b", "\xff", "caf\xe9"} {
				if placeholder.MatchString(pattern) {
					bad := placeholder.ReplaceAllString(pattern, url.PathEscape(bad))
					if got := c.do(method, bad, url.Values{}); got.status != http.StatusNotFound {
						t.Errorf("%s %s: %d", method, bad, got.status)
					}
				}
				if strings.HasPrefix(path, "/console/static/") {
					continue // which reads no query
				}
				for _, form := range []url.Values{{"search": {bad}}, {bad: {"x"}}, {"ids": {"[]", bad}}} {
					var got answer
					if method == http.MethodGet {
						got = c.get(path + "?" + form.Encode())
					} else {
						got = c.post(path, form)
					}
					if got.status != http.StatusBadRequest || !strings.Contains(got.body, "not text") {
						t.Errorf("%s %s with %q: %d", method, path, form, got.status)
					}
				}
			}
		}
	})
}

// A form of a removal says what is wrong: the number that it was confirmed with counts
// also where it is 0, and a key that was used for others is no fault of the server's.
func TestRemovalFormsThatDoNotFit(t *testing.T) {
	t.Parallel()
	s := rostertest.Start(t, storetest.New(t, "sqlite"), rostertest.Options{})
	account := s.Account(owner)
	s.Users(account, plain, helper)
	setPassword(t, s, account, owner)
	c := signedIn(t, s, owner)
	form := func(ids, going, key string) url.Values {
		return url.Values{"ids": {ids}, "kind": {"emailId"}, "key": {key}, "going": {going}, "number": {going}}
	}
	one, two := `["`+plain+`"]`, `["`+helper+`"]`
	for _, r := range []struct {
		says           string
		ids, going, by string
		status         int
		left           int
	}{
		{"nobody was to be removed", one, "0", "a", http.StatusConflict, 3},
		{"two were", one, "2", "a", http.StatusConflict, 3},
		{"no number", one, "", "a", http.StatusBadRequest, 3},
		{"no number but words", one, "one", "a", http.StatusBadRequest, 3},
		{"one was", one, "1", "a", http.StatusSeeOther, 2},
		{"again", one, "1", "a", http.StatusSeeOther, 2},
		{"others by the same key", two, "1", "a", http.StatusConflict, 2},
		{"others by another", two, "1", "b", http.StatusSeeOther, 1},
	} {
		got := c.post("/console/users/remove", form(r.ids, r.going, r.by))
		if left := len(s.Members(account)); got.status != r.status || left != r.left {
			t.Errorf("%s: %d, and %d users are left; want %d and %d", r.says, got.status, left, r.status, r.left)
		}
	}
}
