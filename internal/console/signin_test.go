package console_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/rostertest"
	"roster/internal/server"
	"roster/internal/storetest"
	"roster/internal/web"
)

// later is a clock that a test moves.
type later struct{ by atomic.Int64 }

func (l *later) now() time.Time { return time.Now().Add(time.Duration(l.by.Load())) }

func (l *later) pass(d time.Duration) { l.by.Add(int64(d)) }

func try(c *client, email, password string) answer {
	return c.post("/console/sign-in", url.Values{"email": {email}, "password": {password}})
}

// Ten failures lock an address for a quarter of an hour, the right password
// included, and whether anybody has the address or not.
func TestAddressesAreLocked(t *testing.T) {
	t.Parallel()
	storetest.EachInLong(t, func(t *testing.T, dsn string) {
		clock := &later{}
		s := rostertest.Start(t, dsn, rostertest.Options{Clock: clock.now})
		account := s.Account(owner)
		setPassword(t, s, account, owner)
		c := newClient(t, s)
		for _, email := range []string{owner, "nobody@example.com", "no address"} {
			var wrong string
			for range directory.MaxFailures {
				got := try(c, strings.ToUpper(email), "wrong wrong wrong")
				if got.status != http.StatusUnauthorized || !strings.Contains(got.body, "The address or the password is wrong.") {
					t.Fatalf("%s: %d %s", email, got.status, got.body)
				}
				wrong = got.body
			}
			if locked := try(c, email, goodPassword); locked.status != http.StatusTooManyRequests || !strings.Contains(locked.body, "Too many sign-ins") {
				t.Errorf("%s is not locked: %d", email, locked.status)
			}
			if strings.Contains(wrong, goodPassword) || strings.Contains(wrong, "wrong wrong") {
				t.Error("the page repeats the password")
			}
		}
		clock.pass(directory.LockTime + time.Second)
		if got := c.signIn(owner); got.status != http.StatusSeeOther {
			t.Errorf("after the lock: %d", got.status)
		}
		if log := s.Log.String(); strings.Contains(log, owner) || strings.Contains(log, "wrong wrong") {
			t.Error("the log has an address or a password")
		}
	})
}

// Many who try at once get no more attempts than one.
func TestAttemptsAtOnceAreCounted(t *testing.T) {
	t.Parallel()
	storetest.EachInLong(t, func(t *testing.T, dsn string) {
		s := rostertest.Start(t, dsn, rostertest.Options{})
		setPassword(t, s, s.Account(owner), owner)
		statuses := make(chan int)
		const tries = 3 * directory.MaxFailures
		for range tries {
			go func() { statuses <- try(newClient(t, s), owner, "wrong wrong wrong").status }()
		}
		looked := 0
		for range tries {
			if <-statuses == http.StatusUnauthorized {
				looked++
			}
		}
		if looked != directory.MaxFailures {
			t.Errorf("%d passwords were looked at, want %d", looked, directory.MaxFailures)
		}
	})
}

func TestFailuresAreLimitedByAddressOfTheClient(t *testing.T) {
	t.Parallel()
	limits, err := directory.ParseRateLimits("3/m")
	if err != nil {
		t.Fatal(err)
	}
	o := rostertest.Options{}
	o.Limits.Failures = limits
	s := rostertest.Start(t, storetest.New(t, "sqlite"), o)
	setPassword(t, s, s.Account(owner), owner)
	c := newClient(t, s)
	for i, want := range []int{401, 401, 401, 429, 429} {
		if got := try(c, strings.Repeat("x", i+1)+"@example.com", "one for all of them"); got.status != want {
			t.Errorf("attempt %d: %d, want %d", i+1, got.status, want)
		}
	}
}

// A session ends after an hour without a click, and after twelve in any case.
func TestSessionsEnd(t *testing.T) {
	t.Parallel()
	storetest.EachInLong(t, func(t *testing.T, dsn string) {
		clock := &later{}
		s := rostertest.Start(t, dsn, rostertest.Options{Clock: clock.now})
		setPassword(t, s, s.Account(owner), owner)
		idle, busy, follower := signedIn(t, s, owner), signedIn(t, s, owner), signedIn(t, s, owner)
		alive := func(c *client) bool { return c.get("/console").status == http.StatusOK }
		passed := time.Duration(0)
		for ; passed < directory.SessionLife-time.Hour; passed += 50 * time.Minute {
			clock.pass(50 * time.Minute)
			if !alive(busy) {
				t.Fatalf("the busy one has ended before %v", passed)
			}
			if passed == 0 && follower.get("/console?follow").status != http.StatusOK {
				t.Error("the one whose page asks by itself has ended at once")
			}
		}
		if alive(idle) {
			t.Error("the idle one lives")
		}
		if got := follower.get("/console?follow"); got.location != "/console/sign-in" || !strings.Contains(follower.get(got.location).texts(), "Your session is over.") {
			t.Errorf("the one whose page asks by itself: %d %s", got.status, got.location)
		}
		clock.pass(directory.SessionLife - passed - time.Minute)
		if !alive(busy) {
			t.Error("the busy one has ended before twelve hours")
		}
		clock.pass(2 * time.Minute)
		if alive(busy) {
			t.Error("the busy one lives after twelve hours")
		}
		if err := s.Roster.ForgetSignIns(context.Background(), auth.System()); err != nil {
			t.Fatal(err)
		}
		if rows := s.Dump()["console_sessions"]; len(rows) != 0 {
			t.Errorf("rows are left: %q", rows)
		}
	})
}

func TestLinksWorkOnceAndForAnHour(t *testing.T) {
	t.Parallel()
	storetest.EachInLong(t, func(t *testing.T, dsn string) {
		clock := &later{}
		s := rostertest.Start(t, dsn, rostertest.Options{Clock: clock.now})
		account := s.Account(owner)
		s.Users(account, admin)
		c := newClient(t, s)
		set := func(path, password, again string) answer {
			return c.post(path, url.Values{"password": {password}, "again": {again}})
		}
		first, second := link(t, s, account, owner), link(t, s, account, owner)
		for name, got := range map[string]answer{
			"The two passwords differ": set(first, goodPassword, "another"),
			"needs 12":                 set(first, "short", "short"),
			"easily guessed":           set(first, "aaaaaaaaaaaaaaaa", "aaaaaaaaaaaaaaaa"),
			"holds the address":        set(first, "owner in the morning", "owner in the morning"),
		} {
			if got.status != http.StatusUnprocessableEntity || !strings.Contains(got.body, name) {
				t.Errorf("%s: %d %s", name, got.status, got.body)
			}
		}
		before := signedInBy(t, s, first, owner)
		for _, path := range []string{first, second, server.LinkPath("x")} {
			if got := c.get(path); got.status != http.StatusGone {
				t.Errorf("a link that is used up: %d", got.status)
			}
			if got := set(path, goodPassword, goodPassword); got.status != http.StatusGone {
				t.Errorf("posting to a link that is used up: %d", got.status)
			}
		}
		late := link(t, s, account, owner)
		clock.pass(directory.LinkLife)
		if got := c.get(late); got.status != http.StatusGone {
			t.Errorf("a link after an hour: %d", got.status)
		}
		if got := before.get("/console"); got.status == http.StatusOK {
			t.Error("the session has lived for an hour without a click")
		}
		// Setting a password ends the sessions that there are.
		again := signedIn(t, s, owner)
		signedInBy(t, s, link(t, s, account, owner), owner)
		if got := again.get("/console"); got.location != "/console/sign-in" {
			t.Errorf("a session from before the new password: %d", got.status)
		}
		// A link of somebody who was removed since is good for nothing.
		gone := link(t, s, account, admin)
		if got := s.Remove(s.App(account), `{"deleteEmailIds":["`+admin+`"]}`); got.Status != http.StatusOK {
			t.Fatal(got.Body)
		}
		if got := set(gone, goodPassword, goodPassword); got.status != http.StatusGone {
			t.Errorf("a link of a removed member: %d", got.status)
		}
		s.VerifyAudit()
	})
}

// signedInBy sets a password by a link and signs in.
func signedInBy(t *testing.T, s *rostertest.Server, path, email string) *client {
	t.Helper()
	c := newClient(t, s)
	if got := c.post(path, url.Values{"password": {goodPassword}, "again": {goodPassword}}); got.location != "/console/sign-in" {
		t.Fatalf("set the password: %d %s", got.status, got.body)
	}
	return signedIn(t, s, email)
}

// Who has no right anywhere, or is suspended or locked, is refused; who was not
// active is so from the first sign-in on.
func TestWhoMaySignIn(t *testing.T) {
	t.Parallel()
	storetest.EachInLong(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		status := func(want string) {
			storetest.Exec(t, w.DSN, `UPDATE member_profiles SET status = $1 WHERE email = $2`, want, admin)
		}
		if got := newClient(t, w.Server).signIn(plain); got.status != http.StatusForbidden || !strings.Contains(got.body, "no access") {
			t.Errorf("without a role: %d", got.status)
		}
		status("not active")
		c := signedIn(t, w.Server, admin)
		if rows := strings.Join(w.Dump()["member_profiles"], "\n"); strings.Contains(rows, "not active|"+admin) || !strings.Contains(rows, "active|"+admin) {
			t.Errorf("the status after signing in:\n%s", rows)
		}
		for _, s := range []string{"suspended", "locked"} {
			status(s)
			if got := c.get("/console/apps"); got.location != "/console/accounts" {
				t.Errorf("%s: the session goes on: %d", s, got.status)
			}
			if got := newClient(t, w.Server).signIn(admin); got.status != http.StatusForbidden {
				t.Errorf("%s: signing in: %d", s, got.status)
			}
		}
	})
}

// Passwords go by HTTPS, or not further than this machine.
func TestPlainHTTPStaysOnTheMachine(t *testing.T) {
	t.Parallel()
	proxies, err := web.ParseProxies("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		proxies web.Proxies
		header  map[string]string
		status  int
		cookie  string
	}{
		"on the machine":                   {nil, nil, 303, "roster-session"},
		"under another name":               {nil, map[string]string{"Host": "directory.example.com"}, 403, ""},
		"an address of the network":        {nil, map[string]string{"Host": "192.0.2.1:8080"}, 403, ""},
		"a stranger says HTTPS":            {nil, map[string]string{"Host": "directory.example.com", "X-Forwarded-Proto": "https"}, 403, ""},
		"a proxy says HTTPS":               {proxies, map[string]string{"Host": "directory.example.com", "X-Forwarded-Proto": "https"}, 303, "__Host-roster-session"},
		"a proxy says HTTP":                {proxies, map[string]string{"Host": "directory.example.com", "X-Forwarded-Proto": "http"}, 403, ""},
		"a proxy passes on another's HTTP": {proxies, map[string]string{"X-Forwarded-For": "192.0.2.7"}, 403, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := rostertest.Options{}
			o.Limits.Proxies = c.proxies
			s := rostertest.Start(t, storetest.New(t, "sqlite"), o)
			setPassword(t, s, s.Account(owner), owner)
			b := newClient(t, s)
			b.header = c.header
			got := b.signIn(owner)
			if got.status != c.status {
				t.Fatalf("%d, want %d", got.status, c.status)
			}
			for _, cookie := range got.cookies {
				secure := strings.HasPrefix(c.cookie, "__Host-")
				if cookie.Name != c.cookie || !cookie.HttpOnly || cookie.Secure != secure || cookie.SameSite != http.SameSiteLaxMode || cookie.Path != "/" || cookie.Domain != "" {
					t.Errorf("cookie %v", cookie)
				}
			}
		})
	}
}
