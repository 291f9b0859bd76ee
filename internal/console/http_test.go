package console_test

import (
	"bytes"
	"context"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"roster/internal/auth"
	"roster/internal/console"
	"roster/internal/directory"
	"roster/internal/roster"
	"roster/internal/rostertest"
	"roster/internal/storetest"
)

// client is a browser without a screen: it keeps cookies and follows nothing.
type client struct {
	t       testing.TB
	base    string
	cookies map[string]string
	header  map[string]string // added to each request
}

func newClient(t testing.TB, s *rostertest.Server) *client {
	t.Helper()
	return &client{t: t, base: s.URL, cookies: map[string]string{}}
}

// answer is a page.
type answer struct {
	status   int
	header   http.Header
	location string
	body     string
	cookies  []*http.Cookie
}

func (c *client) get(path string) answer { return c.do(http.MethodGet, path, nil) }

func (c *client) post(path string, form url.Values) answer { return c.do(http.MethodPost, path, form) }

func (c *client) do(method, path string, form url.Values) answer {
	c.t.Helper()
	return c.send(method, path, "application/x-www-form-urlencoded", strings.NewReader(form.Encode()))
}

// upload posts a form with a file of that name and text in a field.
func (c *client) upload(path string, form url.Values, field, name, text string) answer {
	c.t.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	for key, values := range form {
		for _, value := range values {
			if err := w.WriteField(key, value); err != nil {
				c.t.Fatal(err)
			}
		}
	}
	part, err := w.CreateFormFile(field, strings.ReplaceAll(name, "\x00", "")) // which no file system has
	if err == nil {
		_, err = io.WriteString(part, text)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		c.t.Fatal(err)
	}
	return c.send(http.MethodPost, path, w.FormDataContentType(), &body)
}

func (c *client) send(method, path, contentType string, sent io.Reader) answer {
	c.t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), method, c.base+path, sent)
	if err != nil {
		c.t.Fatal(err)
	}
	if method == http.MethodPost {
		r.Header.Set("Content-Type", contentType)
	}
	for name, value := range c.header {
		if name == "Host" {
			r.Host = value
		}
		r.Header.Set(name, value)
	}
	for name, value := range c.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
	if err != nil {
		c.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	for _, cookie := range resp.Cookies() {
		if cookie.MaxAge < 0 {
			delete(c.cookies, cookie.Name)
		} else {
			c.cookies[cookie.Name] = cookie.Value
		}
	}
	return answer{resp.StatusCode, resp.Header, resp.Header.Get("Location"), string(body), resp.Cookies()}
}

// signIn signs in with the password of the tests.
func (c *client) signIn(email string) answer {
	c.t.Helper()
	return c.post("/console/sign-in", url.Values{"email": {email}, "password": {goodPassword}})
}

// signedIn is a client of somebody who has signed in.
func signedIn(t testing.TB, s *rostertest.Server, email string) *client {
	t.Helper()
	c := newClient(t, s)
	if got := c.signIn(email); got.status != http.StatusSeeOther {
		t.Fatalf("sign in as %s: %d %s", email, got.status, got.body)
	}
	return c
}

// role makes an admin role of the account with these permissions, and gives it to
// a member.
func role(t testing.TB, s *rostertest.Server, account, name, email string, p directory.Permissions) {
	t.Helper()
	ctx := context.Background()
	id, err := s.Roster.CreateRole(ctx, auth.Operator(), account, roster.NewRole{Kind: directory.AdminRole, Name: name, Permissions: p})
	if err != nil {
		t.Fatal(err)
	}
	give(t, s, account, id, email)
}

func give(t testing.TB, s *rostertest.Server, account, roleID, email string) {
	t.Helper()
	item := directory.RoleAssignment{RoleID: roleID, AddUsers: []directory.UserRef{{Text: email}}}
	failures, err := s.Roster.AssignRoles(context.Background(), auth.Operator(), account, directory.AdminRole, []directory.RoleAssignment{item}, "")
	if err != nil || failures[0] != nil {
		t.Fatalf("give the role: %v %v", err, failures)
	}
}

// take takes an admin role, by its name, from a member.
func take(t testing.TB, s *rostertest.Server, account, name, email string) {
	t.Helper()
	ctx := context.Background()
	found, err := s.Roster.FindRole(ctx, auth.Operator(), account, directory.AdminRole, name)
	if err != nil {
		t.Fatal(err)
	}
	item := directory.RoleAssignment{RoleID: found.PublicID, RemoveUsers: []directory.UserRef{{Text: email}}}
	failures, err := s.Roster.AssignRoles(ctx, auth.Operator(), account, directory.AdminRole, []directory.RoleAssignment{item}, "")
	if err != nil || failures[0] != nil {
		t.Fatalf("take the role: %v %v", err, failures)
	}
}

// userID is the public id of a member.
func userID(t testing.TB, s *rostertest.Server, account, email string) string {
	t.Helper()
	found, err := s.Roster.ReadUsers(context.Background(), auth.Operator(), account, []directory.UserRef{{Text: email}})
	if err != nil || found[0] == nil {
		t.Fatalf("no user %s: %v", email, err)
	}
	return found[0].UserID
}

// world is an account with somebody of each kind, all with the same password, and
// an app; and another account.
type world struct {
	*rostertest.Server
	account, other     string
	app, removal, user string
	request            string // that restored from the removal
}

const (
	owner, admin, apps, viewer, helper, plain = "owner@example.com", "admin@example.com", "apps@example.com", "viewer@example.com", "helper@example.com", "plain@example.com"

	stranger, left = "stranger@example.com", "left@example.com"
)

// Dump is that of the server without the times at which sessions were used last: a
// slow test is longer than the minute after which they are noted anew.
func (w *world) Dump() storetest.Content {
	content := w.Server.Dump()
	const lastSeen = 7
	for i, row := range content["console_sessions"] {
		fields := strings.Split(row, "|")
		fields[lastSeen] = ""
		content["console_sessions"][i] = strings.Join(fields, "|")
	}
	return content
}

func newWorld(t *testing.T, dsn string) *world {
	t.Helper()
	return newWorldWith(t, dsn, rostertest.Options{})
}

func newWorldWith(t *testing.T, dsn string, o rostertest.Options) *world {
	t.Helper()
	s := rostertest.Start(t, dsn, o)
	w := &world{Server: s, account: s.Account(owner), other: s.Account(stranger)}
	s.Users(w.account, admin, apps, viewer, helper, plain)
	builtIn, err := s.Roster.FindRole(context.Background(), auth.Operator(), w.account, directory.AdminRole, directory.RoleAdmin)
	if err != nil {
		t.Fatal(err)
	}
	give(t, s, w.account, builtIn.PublicID, admin)
	role(t, s, w.account, "App keeper", apps, directory.Permissions{"appManagement": directory.PermitYes})
	role(t, s, w.account, "Viewer", viewer, directory.Permissions{"viewOnly": directory.PermitYes, "appManagement": directory.PermitNo})
	role(t, s, w.account, "Helper", helper, directory.Permissions{"userManagement": directory.PermitYes})
	for _, email := range []string{owner, admin, apps, viewer, helper, plain} {
		setPassword(t, s, w.account, email)
	}
	setPassword(t, s, w.other, stranger)
	app := s.App(w.account)
	w.app = app.ClientID
	s.Users(w.account, left)
	w.removal = s.Remove(app, `{"deleteEmailIds":["`+left+`"]}`).Header.Get("X-Removal-Id")
	w.user, w.request = userID(t, s, w.account, plain), "the request"
	if _, err := s.Roster.RestoreUsers(context.Background(), auth.Operator(), w.account, w.removal, []directory.UserRef{{Text: plain}}, roster.RestoreOptions{RequestID: w.request}); err != nil {
		t.Fatal(err)
	}
	if err := s.Roster.FlushNotes(context.Background(), true); err != nil { // not between two dumps
		t.Fatal(err)
	}
	return w
}

var placeholder = regexp.MustCompile(`\{\w+\}`)

// fill makes a path of a route's pattern.
func (w *world) fill(pattern string) string {
	return placeholder.ReplaceAllStringFunc(pattern, func(name string) string {
		switch name {
		case "{app}":
			return w.app
		case "{removal}":
			return w.removal
		case "{request}":
			return url.PathEscape(w.request)
		case "{user}":
			return w.user
		case "{number}":
			return "1"
		}
		return "x"
	})
}

// routes is what the console answers.
func routes(s *rostertest.Server) []string {
	return console.New(s.Roster, nil, console.Options{}).Routes()
}
