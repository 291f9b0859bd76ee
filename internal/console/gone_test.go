package console_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"roster/internal/rostertest"
	"roster/internal/storetest"
)

// postAndLeave posts a form and closes the connection once the server has come to a
// point at which reached gets a value.
func (c *client) postAndLeave(path string, form url.Values, reached <-chan struct{}) {
	c.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+path, strings.NewReader(form.Encode()))
	if err != nil {
		c.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for name, value := range c.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	answered := make(chan error, 1)
	go func() {
		resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
		if err == nil {
			resp.Body.Close()
		}
		answered <- err
	}()
	<-reached
	cancel()
	if err := <-answered; err == nil {
		c.t.Errorf("%s was answered before the browser left", path)
	}
	for range 50 { // the server sees meanwhile that the browser is gone
		c.get("/healthz")
	}
}

// A browser that leaves once its form has arrived changes nothing about what the form
// asks for, also where that takes several transactions.
func TestBrowserLeaves(t *testing.T) {
	t.Parallel()
	storetest.EachInLong(t, func(t *testing.T, dsn string) {
		reached, goOn := make(chan struct{}), make(chan struct{})
		var at atomic.Pointer[string]
		nowhere := "\x00"
		at.Store(&nowhere)
		w := newWorldWith(t, dsn, rostertest.Options{Trace: func(query string) {
			if strings.HasPrefix(query, *at.Load()) {
				at.Store(&nowhere)
				reached <- struct{}{}
				<-goOn
			}
		}})
		var many []string
		for i := range 1100 {
			many = append(many, fmt.Sprintf("many%04d@example.com", i))
		}
		w.Users(w.account, many...)
		w.Users(w.account, "ann@example.com")
		c := signedIn(t, w.Server, owner)
		preview := func(emails ...string) url.Values {
			page := c.post("/console/users/remove/preview", url.Values{"list": {strings.Join(emails, "\n")}})
			return page.confirmed(page.told("going"))
		}
		isMember := func(email string) bool { return slices.Contains(w.Members(w.account), email) }
		ann := "/console/users/" + userID(t, w.Server, w.account, "ann@example.com")
		for _, step := range []struct {
			name, path string
			form       url.Values
			at         string // the statement at which the browser leaves
			done       func() bool
		}{
			{"suspend", ann + "/status", url.Values{"change": {"suspend"}}, "UPDATE member_profiles", func() bool {
				return strings.Contains(c.get(ann).body, ">suspended<")
			}},
			{"remove", "/console/users/remove", preview("ann@example.com"), "INSERT INTO removals", func() bool { return !isMember("ann@example.com") }},
			{"remove many", "/console/users/remove", preview(many...), "INSERT INTO removal_spool", func() bool { return !isMember(many[0]) && !isMember(many[1099]) }},
			{"restore", "/console/removals/" + w.removal + "/restore", url.Values{"who": {"all"}}, "UPDATE members SET removal_id = NULL", func() bool { return isMember(left) }},
		} {
			at.Store(&step.at)
			c.postAndLeave(step.path, step.form, reached)
			goOn <- struct{}{}
			for deadline := time.Now().Add(10 * time.Second); !step.done(); {
				if time.Now().After(deadline) {
					t.Errorf("%s was not done", step.name)
					break
				}
			}
		}
		w.VerifyAudit()
	})
}
