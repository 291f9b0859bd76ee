// Package rostertest gives tests a running server with real parts: a real
// database, a real listener on a free port, accounts, people and apps made by
// the verbs. Its tokens are made by another library than the one that the
// server verifies them with.
package rostertest

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/publicapi"
	"roster/internal/roster"
	"roster/internal/server"
	"roster/internal/store"
	"roster/internal/storetest"
)

// Server is a server under test.
type Server struct {
	T   testing.TB
	DSN string
	URL string
	// MetricsURL has the metrics; empty unless Options.Metrics asked for them.
	MetricsURL string
	KeyFile    string // of the secret key
	Roster     *roster.Roster
	Log        *Log
	// Stop ends the server in order and returns what Run returned. The end of
	// the test calls it too.
	Stop func() error
}

// Options change a server under test. The zero value is right for most.
type Options struct {
	Limits publicapi.Limits
	// Timeouts, unless they are those of a server in use.
	Timeouts server.Timeouts
	// CommitGrace is that of store.Options.
	CommitGrace time.Duration
	Clock       func() time.Time
	Trace       func(query string)
	// RateLimits are the server's; none by default.
	RateLimits directory.RateLimits
	// TLSCert and TLSKey are files; with them the server speaks HTTPS.
	TLSCert, TLSKey string
	// SecretKeyFile is the path of the secret key; empty for one of its own.
	SecretKeyFile string
	// Metrics are served at Server.MetricsURL.
	Metrics bool
	// JobChunk is the most users that one transaction of a job removes; 0 for the
	// server's default.
	JobChunk int
	// RestoreAtOnce is how many members of a whole removal one transaction restores at
	// the most; 0 for the server's default.
	RestoreAtOnce int
}

// Start serves the database at dsn until the test ends.
func Start(t testing.TB, dsn string, o Options) *Server {
	t.Helper()
	log := &Log{}
	ctx, cancel := context.WithCancel(context.Background())
	if o.SecretKeyFile == "" {
		o.SecretKeyFile = filepath.Join(t.TempDir(), "secret.key")
	}
	metrics := ""
	if o.Metrics {
		metrics = "127.0.0.1:0"
	}
	s, err := server.New(ctx, server.Config{
		Addr:        "127.0.0.1:0",
		MetricsAddr: metrics,
		TLSCert:     o.TLSCert,
		TLSKey:      o.TLSKey,
		Roster: roster.Options{
			Database:      dsn,
			SecretKeyFile: o.SecretKeyFile,
			RateLimits:    o.RateLimits,
			JobChunk:      o.JobChunk,
			RestoreAtOnce: o.RestoreAtOnce,
			Store:         store.Options{Clock: o.Clock, Trace: o.Trace, CommitGrace: o.CommitGrace},
		},
		Limits:   o.Limits,
		Timeouts: o.Timeouts,
		Log:      slog.New(slog.NewJSONHandler(log, nil)),
	})
	if err != nil {
		t.Fatalf("start the server: %v", err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	stop := sync.OnceValue(func() error {
		cancel()
		return <-done
	})
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Errorf("stop the server: %v", err)
		}
	})
	out := &Server{T: t, DSN: dsn, URL: s.URL(), KeyFile: o.SecretKeyFile, Roster: s.Roster(), Log: log, Stop: stop}
	if o.Metrics {
		out.MetricsURL = "http://" + s.MetricsAddr() + "/metrics"
	}
	return out
}

// Account makes an account with an owner of that address and returns its id.
func (s *Server) Account(owner string) string {
	s.T.Helper()
	id, err := s.Roster.CreateAccount(context.Background(), auth.Operator(), "Account of "+owner, owner)
	if err != nil {
		s.T.Fatalf("create account: %v", err)
	}
	return id
}

// Person is a member to be made.
type Person struct{ Email, OrgUserID, FirstName, LastName string }

// Import makes people members of the account.
func (s *Server) Import(account string, people ...Person) {
	s.T.Helper()
	rows := make([]roster.ImportRow, len(people))
	for i, p := range people {
		rows[i] = roster.ImportRow{Line: i + 1, Email: p.Email, OrgUserID: p.OrgUserID, Profile: directory.Profile{FirstName: p.FirstName, LastName: p.LastName}}
	}
	out, err := s.Roster.ImportUsers(context.Background(), auth.Operator(), account, rows, roster.ImportOptions{})
	if err != nil || len(out.Bad) > 0 {
		s.T.Fatalf("import: %v, bad rows %v", err, out.Bad)
	}
}

// Users makes people members of the account who have an address alone.
func (s *Server) Users(account string, emails ...string) {
	s.T.Helper()
	people := make([]Person, len(emails))
	for i, e := range emails {
		people[i] = Person{Email: e}
	}
	s.Import(account, people...)
}

// Bot makes a bot and returns its id.
func (s *Server) Bot(account, name, owner string) string {
	s.T.Helper()
	id, err := s.Roster.CreateBot(context.Background(), auth.Operator(), account, name, owner)
	if err != nil {
		s.T.Fatalf("create bot: %v", err)
	}
	return id
}

// Members lists the addresses of the account's live members, the owner first,
// the others in the order of their creation.
func (s *Server) Members(account string) []string {
	s.T.Helper()
	var emails []string
	err := s.Roster.EachUser(context.Background(), auth.Operator(), account, func(m directory.Member) error {
		emails = append(emails, m.Email)
		return nil
	})
	if err != nil {
		s.T.Fatalf("list members: %v", err)
	}
	return emails
}

// VerifyAudit fails the test unless the audit log is whole.
func (s *Server) VerifyAudit() {
	s.T.Helper()
	if _, err := s.Roster.VerifyAudit(context.Background(), auth.Operator()); err != nil {
		s.T.Errorf("verify the audit log: %v", err)
	}
}

// Dump reads everything that the database holds, but for what the purge in the
// background remembers.
func (s *Server) Dump() storetest.Content {
	s.T.Helper()
	content := storetest.Dump(s.T, s.DSN)
	delete(content, "purge_state")
	return content
}

// App is a client app.
type App struct{ ClientID, Secret string }

// App makes an app of the Admin Console with the scope User Management.
func (s *Server) App(account string) App {
	s.T.Helper()
	return s.AppWith(account, directory.OriginAdminConsole, directory.ScopeUserManagement)
}

// AppWith makes an app.
func (s *Server) AppWith(account string, origin directory.Origin, scopes ...directory.Scope) App {
	s.T.Helper()
	id, secret, err := s.Roster.CreateApp(context.Background(), auth.Operator(), account,
		roster.NewApp{Name: "test", Origin: origin, Scopes: scopes})
	if err != nil {
		s.T.Fatalf("create app: %v", err)
	}
	return App{id, secret}
}

// Token signs a token that names the app and has these further claims.
func (a App) Token(claims jwt.MapClaims) string {
	all := jwt.MapClaims{"appId": a.ClientID}
	maps.Copy(all, claims)
	return Sign(jwt.SigningMethodHS256, []byte(a.Secret), all)
}

// Sign makes a token of these claims and no other.
func Sign(method jwt.SigningMethod, key any, claims jwt.MapClaims) string {
	token, err := jwt.NewWithClaims(method, claims).SignedString(key)
	if err != nil {
		panic(err)
	}
	return token
}

// Request is a request over HTTP. The zero Method is DELETE, the zero Path
// that of the users.
type Request struct {
	Method string
	Path   string
	Body   string
	Header map[string]string
	Token  string // for the header auth, unless empty
}

// Answer is an answer over HTTP.
type Answer struct {
	Status int
	Header http.Header
	Body   string
}

// Do sends a request and reads its answer.
func (s *Server) Do(req Request) Answer {
	s.T.Helper()
	if req.Method == "" {
		req.Method = http.MethodDelete
	}
	if req.Path == "" {
		req.Path = "/api/public/users"
	}
	r, err := http.NewRequestWithContext(context.Background(), req.Method, s.URL+req.Path, strings.NewReader(req.Body))
	if err != nil {
		s.T.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if req.Token != "" {
		r.Header.Set("auth", req.Token)
	}
	for name, value := range req.Header {
		if value == "" {
			r.Header.Del(name)
		} else {
			r.Header.Set(name, value)
		}
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		s.T.Fatalf("%s %s: %v", req.Method, req.Path, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		s.T.Fatalf("read the answer: %v", err)
	}
	return Answer{resp.StatusCode, resp.Header, string(body)}
}

// Remove asks to remove users, with a fresh token of the app.
func (s *Server) Remove(app App, body string) Answer {
	s.T.Helper()
	return s.Do(Request{Body: body, Token: app.Token(nil)})
}

// Log collects what a server logs.
type Log struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write implements io.Writer.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

// String is all that was logged so far.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}
