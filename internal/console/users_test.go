package console_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"roster/internal/rostertest"
	"roster/internal/storetest"
)

// The list of users: all of them by pages, a search, and the removal of those who
// are chosen.
func TestUsersPage(t *testing.T) {
	t.Parallel()
	storetest.EachInLong(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		var people []rostertest.Person
		for i := range 120 {
			people = append(people, rostertest.Person{Email: fmt.Sprintf("P%03d@example.com", i), OrgUserID: fmt.Sprintf("E<b>%03d", i)})
		}
		w.Import(w.account, append(people, rostertest.Person{Email: "p;2,x@example.com"})...)
		c := signedIn(t, w.Server, owner)
		var text strings.Builder
		pages := 0
		for path := "/console/users"; path != ""; pages++ {
			page := c.get(path)
			if page.status != http.StatusOK {
				t.Fatalf("%s: %d", path, page.status)
			}
			text.WriteString(page.body)
			_, after, _ := strings.Cut(page.body, `rel="next" href="`)
			path, _, _ = strings.Cut(after, `"`)
		}
		seen := text.String()
		for _, p := range people {
			if n := strings.Count(seen, `value="`+p.Email+`"`); n != 1 {
				t.Errorf("%s is listed %d times", p.Email, n)
			}
		}
		if pages != 3 || strings.Contains(seen, "<b>") || strings.Contains(seen, stranger) || strings.Contains(seen, left) {
			t.Errorf("%d pages, or somebody who is not to be seen", pages)
		}
		for query, want := range map[string]int{
			"?search=p01": 10, "?search=P017": 1, "?search=E%3Cb%3E11": 10, "?search=nobody": 0, "?sort=orgUserId": 50, "?search=own": 1,
			"?search=example.com+017": 1, "?search=p01&sort=-name": 10, "?search=p01&status=locked": 0,
		} {
			if got := c.get("/console/users" + query); got.status != http.StatusOK || strings.Count(got.body, `name="user"`) != want {
				t.Errorf("%s: %d with %d users, want %d", query, got.status, strings.Count(got.body, `name="user"`), want)
			}
		}
		for _, query := range []string{"?search=a%00bc", "?from=%00", "?search=%ff%ff%ff"} { // not text
			if got := c.get("/console/users" + query); got.status != http.StatusBadRequest {
				t.Errorf("%s: %d", query, got.status)
			}
		}
		for _, query := range []string{"?search=ab", "?sort=x", "?status=gone", "?role=x", "?search=" + strings.Repeat("x", 10_000)} {
			if got := c.get("/console/users" + query); got.status != http.StatusUnprocessableEntity || !strings.Contains(got.body, `role="alert"`) {
				t.Errorf("%s: %d", query, got.status)
			}
		}
		preview := c.post("/console/users/remove/preview", url.Values{"user": {"P001@example.com", owner, "p;2,x@example.com"}})
		if preview.told("going") != "2" || preview.told("staying") != "1" {
			t.Errorf("preview of those who were chosen: %d\n%s", preview.status, preview.body)
		}
		if got := signedIn(t, w.Server, viewer).get("/console/users"); got.status != http.StatusOK || strings.Contains(got.body, `name="user"`) {
			t.Errorf("read-only: %d", got.status)
		}
	})
}
