package server

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/roster"
	"roster/internal/storetest"
)

// patience bounds a wait for the only connection, which is free or never will be.
const patience = time.Minute

// slowClient is a client who reads so slowly that others are served between any
// two writes to it: other runs before each of them.
type slowClient struct {
	http.ResponseWriter
	other func()
}

func (c *slowClient) Unwrap() http.ResponseWriter { return c.ResponseWriter }

func (c *slowClient) Write(b []byte) (int, error) {
	c.other()
	return c.ResponseWriter.Write(b)
}

// holder is a server whose pool has a single connection.
type holder struct {
	t   *testing.T
	s   *Server
	url string
	// account, and the app's token that goes with each call
	account, token string
	client         *http.Client
}

func newHolder(t *testing.T) *holder {
	t.Helper()
	dsn := storetest.New(t, "postgres")
	at, _ := url.Parse(dsn)
	query := at.Query()
	query.Set("pool_max_conns", "1")
	at.RawQuery = query.Encode()
	ctx := context.Background()
	s, err := New(ctx, Config{
		Addr: "127.0.0.1:0", Log: slog.New(slog.DiscardHandler),
		Roster: roster.Options{Database: at.String(), SecretKeyFile: filepath.Join(t.TempDir(), "secret.key")},
	})
	if err != nil {
		t.Fatal(err)
	}
	h := &holder{t: t, s: s}
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.http.Handler.ServeHTTP(&slowClient{w, func() {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			if _, err := s.roster.Accounts(ctx, auth.Operator()); err != nil {
				t.Errorf("%s %s holds a connection while it writes: %v", r.Method, r.URL.Path, err)
			}
		}}, r)
	}))
	t.Cleanup(func() {
		web.Close()
		if err := s.listener.Close(); err != nil {
			t.Error(err)
		}
		if err := s.roster.Close(); err != nil {
			t.Error(err)
		}
	})
	h.url = web.URL
	return h
}

// fill makes an account with so many users in a group that answers about them do not
// fit into a buffer, and with a removal. It returns the removal's id.
func (h *holder) fill(users int) (removal string) {
	h.t.Helper()
	ctx, op, r := context.Background(), auth.Operator(), h.s.roster
	check := func(err error) {
		h.t.Helper()
		if err != nil {
			h.t.Fatal(err)
		}
	}
	var err error
	h.account, err = r.CreateAccount(ctx, op, "X", "owner@example.com")
	check(err)
	rows, refs := make([]roster.ImportRow, users), make([]directory.UserRef, users)
	for i := range rows {
		refs[i].Text = fmt.Sprintf("user%04d@example.com", i)
		rows[i] = roster.ImportRow{Line: i + 1, Email: refs[i].Text}
	}
	_, err = r.ImportUsers(ctx, op, h.account, rows, roster.ImportOptions{})
	check(err)
	_, err = r.MakeGroup(ctx, op, h.account, roster.NewGroup{Name: "Staff", Members: refs})
	check(err)
	id, secret, err := r.CreateApp(ctx, op, h.account, roster.NewApp{
		Name: "App", Scopes: []directory.Scope{directory.ScopeUserManagement, directory.ScopeRoleManagement, directory.ScopeAuditLogs},
		Origin: directory.OriginAdminConsole,
	})
	check(err)
	h.token, err = jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"appId": id}).SignedString([]byte(secret))
	check(err)
	link, err := r.CreatePasswordLink(ctx, op, h.account, "owner@example.com")
	check(err)
	check(r.SetPassword(ctx, link.Token, "correct horse battery"))
	jar, err := cookiejar.New(nil)
	check(err)
	h.client = &http.Client{Jar: jar}
	answer, err := h.client.PostForm(h.url+"/console/sign-in", url.Values{"email": {"owner@example.com"}, "password": {"correct horse battery"}})
	check(err)
	check(answer.Body.Close())
	ids := []string{`"user0000@example.com"`}
	for i := range 900 {
		ids = append(ids, fmt.Sprintf(`"nobody%04d@example.com"`, i))
	}
	return h.do(http.MethodDelete, "/api/public/users", `{"deleteEmailIds":[`+strings.Join(ids, ",")+"]}", "").Get("X-Removal-Id")
}

// do makes a call, reads its answer to the end and returns its header.
func (h *holder) do(method, path, body, accept string) http.Header {
	h.t.Helper()
	req, err := http.NewRequestWithContext(h.t.Context(), method, h.url+path, strings.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if accept != "" {
		req.Header.Set("Accept", accept)
	}
	if strings.HasPrefix(path, "/api/") {
		req.Header.Set("auth", h.token)
	}
	resp, err := h.client.Do(req)
	if err != nil {
		h.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		h.t.Fatalf("%s %s: %d, %v", method, path, resp.StatusCode, err)
	}
	return resp.Header
}

// A client that reads slowly holds no connection of the database, whatever it reads:
// a few of them would leave none for others.
func TestNoAnswerHoldsAConnection(t *testing.T) {
	t.Parallel()
	h := newHolder(t)
	const users = 1500 // more than are read at once
	removal := h.fill(users)
	for _, path := range []string{"groups", "alluserroles", "roles", "bots", "auditlogs", "users/removals", "users/removals/" + removal} {
		h.do(http.MethodGet, "/api/public/"+path, "", "")
	}
	h.do(http.MethodGet, "/api/public/users/removals/"+removal, "", "text/csv")
	ids := make([]string, users)
	for i := range ids {
		ids[i] = fmt.Sprintf(`"user%04d@example.com"`, i)
	}
	h.do(http.MethodPost, "/api/public/usersInfo", `{"emailIds":[`+strings.Join(ids, ",")+`]}`, "")
	for _, path := range []string{
		"", "/users", "/users?search=user", "/removals", "/removals/" + removal, "/removals/" + removal + "/report.csv",
		"/removals/" + removal + "/not-removed.csv", "/apps", "/sessions", "/accounts",
	} {
		h.do(http.MethodGet, "/console"+path, "", "text/html")
	}
}
