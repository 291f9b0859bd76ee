package client_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"roster/client"
)

// clock is one that only sleeping moves.
type clock struct {
	mu     sync.Mutex
	now    time.Time
	slept  []time.Duration
	before func(n int) error // called before the nth sleep, from 1
}

func newClock() *clock { return &clock{now: time.Date(2031, 7, 1, 6, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Sleep(ctx context.Context, d time.Duration) error {
	c.mu.Lock()
	c.now = c.now.Add(d)
	c.slept = append(c.slept, d)
	n, before := len(c.slept), c.before
	c.mu.Unlock()
	if before != nil {
		if err := before(n); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// trouble is one answer of a host that is not well: it breaks the connection
// before or within the answer, or has a status and headers.
type trouble struct {
	status int
	text   string // msg of the error
	retry  string // Retry-After
	date   string
	breaks bool
	cut    bool
}

func (tr trouble) String() string {
	switch {
	case tr.breaks:
		return "a broken connection"
	case tr.cut:
		return "an answer that is cut"
	}
	return fmt.Sprintf("%d %s", tr.status, tr.text)
}

// patient is a host that has its troubles first, one for each call, and is well
// then. It keeps the headers of what it was asked.
type patient struct {
	mu       sync.Mutex
	troubles []trouble
	body     string
	asked    []http.Header
}

// ServeHTTP implements http.Handler.
func (p *patient) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	io.Copy(io.Discard, r.Body)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = append(p.asked, r.Header.Clone())
	if len(p.troubles) == 0 {
		if r.Header.Get("Prefer") != "" {
			w.WriteHeader(http.StatusAccepted)
		}
		io.WriteString(w, p.body)
		return
	}
	tr := p.troubles[0]
	p.troubles = p.troubles[1:]
	switch {
	case tr.breaks:
		panic(http.ErrAbortHandler)
	case tr.cut:
		w.Header().Set("Content-Length", "1000")
		io.WriteString(w, p.body)
		panic(http.ErrAbortHandler)
	}
	if tr.retry != "" {
		w.Header().Set("Retry-After", tr.retry)
	}
	if tr.date != "" {
		w.Header().Set("Date", tr.date)
	}
	w.WriteHeader(tr.status)
	fmt.Fprintf(w, `{"errors":[{"msg":%q,"code":%d}]}`, tr.text, tr.status)
}

// calls are those that it was asked.
func (p *patient) calls() []http.Header {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.asked)
}

// meets sets what it answers when it is well, and its next troubles, and forgets
// what it was asked.
func (p *patient) meets(body string, troubles ...trouble) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.body, p.troubles, p.asked = body, troubles, nil
}

func newPatient(t *testing.T, cfg client.Config, body string, troubles ...trouble) (*client.Client, *patient, *clock) {
	t.Helper()
	p, cl := &patient{troubles: troubles, body: body}, newClock()
	s := httptest.NewServer(p)
	t.Cleanup(s.Close)
	cfg.Host, cfg.ClientID, cfg.ClientSecret, cfg.Now, cfg.Sleep = s.URL, "cs-1", strings.Repeat("s", 44), cl.Now, cl.Sleep
	c, err := client.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c, p, cl
}

const aRemoval = `{"id":"rm-1","state":"completed","createdOn":"2031-07-01T06:00:00.250Z"}`

// kindsOfCalls are calls of each kind, and whether they may be done twice.
var kindsOfCalls = []struct {
	name string
	body string
	safe bool // may be done twice
	key  bool
	call func(context.Context, *client.Client) error
}{
	{"a plain removal", allRemoved, false, false, func(ctx context.Context, c *client.Client) error {
		_, err := c.RemoveUsers(ctx, client.RemoveUsersRequest{EmailIDs: ann})
		return err
	}},
	{"a removal with a key", allRemoved, true, true, func(ctx context.Context, c *client.Client) error {
		_, err := c.RemoveUsers(ctx, client.RemoveUsersRequest{EmailIDs: ann, IdempotencyKey: "k"})
		return err
	}},
	{"a plain job", aRemoval, false, false, func(ctx context.Context, c *client.Client) error {
		_, err := c.StartRemoval(ctx, client.RemoveUsersRequest{EmailIDs: ann})
		return err
	}},
	{"a job with a key", aRemoval, true, true, func(ctx context.Context, c *client.Client) error {
		_, err := c.StartRemoval(ctx, client.RemoveUsersRequest{EmailIDs: ann, IdempotencyKey: "k"})
		return err
	}},
	{"a plain restoration", `{"msg":"Users are restored Successfully"}`, false, false, func(ctx context.Context, c *client.Client) error {
		_, err := c.RestoreUsers(ctx, "rm-1", client.RestoreUsersRequest{All: true})
		return err
	}},
	{"a restoration with a key", `{"msg":"Users are restored Successfully"}`, true, true, func(ctx context.Context, c *client.Client) error {
		_, err := c.RestoreUsers(ctx, "rm-1", client.RestoreUsersRequest{All: true, IdempotencyKey: "k"})
		return err
	}},
	{"reading a removal", aRemoval, true, false, func(ctx context.Context, c *client.Client) error {
		_, err := c.Removal(ctx, "rm-1")
		return err
	}},
	{"cancelling a job", aRemoval, true, false, func(ctx context.Context, c *client.Client) error {
		_, err := c.CancelRemoval(ctx, "rm-1")
		return err
	}},
	{"a list", `{"total":0,"availableMore":false,"groups":[]}`, true, false, func(ctx context.Context, c *client.Client) error {
		for _, err := range c.Groups(ctx) {
			return err
		}
		return nil
	}},
	{"reading users", `[]`, true, false, func(ctx context.Context, c *client.Client) error {
		_, err := c.UsersInfo(ctx, client.UsersInfoRequest{EmailIDs: ann})
		return err
	}},
	{"making users", `{"msg":"Users are created Successfully"}`, false, false, func(ctx context.Context, c *client.Client) error {
		_, err := c.CreateUsers(ctx, client.CreateUsersRequest{Users: []client.NewUser{{UserInfo: client.UserInfo{EmailID: "a@b.c"}}}})
		return err
	}},
	{"changing users", `{"msg":"Users are updated Successfully"}`, false, false, func(ctx context.Context, c *client.Client) error {
		_, err := c.UpdateUsers(ctx, client.UpdateUsersRequest{Users: []client.UserChange{{UserInfo: client.UserInfo{EmailID: "a@b.c"}}}})
		return err
	}},
	{"setting access", `["SUCCESS"]`, false, false, func(ctx context.Context, c *client.Client) error {
		return c.SetUserAccess(ctx, client.UserAccess{EmailIDs: ann})
	}},
	{"assigning roles", `[{"status":"success","roleId":"1"}]`, false, false, func(ctx context.Context, c *client.Client) error {
		_, err := c.AssignAdminRoles(ctx, []client.RoleAssignment{{RoleID: "1", AddUsers: ann}})
		return err
	}},
}

// Each kind of call in each kind of trouble: it is made again when that cannot do
// anything twice, and only then; and an error says whether it may have been done.
func TestWhatIsMadeAgain(t *testing.T) {
	t.Parallel()
	const running, replay = "A request with this Idempotency-Key is still running", "error verifying the jwt: possibly a replay"
	for _, tr := range []struct {
		trouble

		any     bool // every call is made again
		safe    bool // one that may be done twice is
		key     bool // one with a key is
		unknown bool // it may have been done
	}{
		{trouble: trouble{status: 429}, any: true},
		{trouble: trouble{status: 408}, any: true},
		{trouble: trouble{status: 502}, safe: true, unknown: true},
		{trouble: trouble{status: 503}, safe: true, unknown: true},
		{trouble: trouble{status: 504}, safe: true, unknown: true},
		{trouble: trouble{breaks: true}, safe: true, unknown: true},
		{trouble: trouble{cut: true}, safe: true, unknown: true},
		{trouble: trouble{status: 401, text: replay}, safe: true, unknown: true},
		{trouble: trouble{status: 409, text: running}, key: true},
		{trouble: trouble{status: 409, text: "Removal is still running"}},
		{trouble: trouble{status: 500}, unknown: true},
		{trouble: trouble{status: 400}},
		{trouble: trouble{status: 401}},
		{trouble: trouble{status: 413}},
		{trouble: trouble{status: 422}},
		{trouble: trouble{status: 302}},
	} {
		for _, k := range kindsOfCalls {
			c, p, cl := newPatient(t, client.Config{TokenKind: client.TokenKind{JTI: true}}, known)
			// It knows the options of the host, and the host those of the client.
			if _, err := c.RemoveUsers(t.Context(), client.RemoveUsersRequest{EmailIDs: ann, DryRun: true}); err != nil {
				t.Fatal(err)
			}
			p.meets(k.body, tr.trouble)
			err := k.call(t.Context(), c)
			again := tr.any || (tr.safe && k.safe) || (tr.key && k.key)
			if (err == nil) != again || len(cl.slept) != len(p.calls())-1 || (len(p.calls()) == 2) != again {
				t.Errorf("%s, and %v: error %v after %d calls", k.name, tr, err, len(p.calls()))
			}
			if err != nil && client.MayHaveActed(err) != tr.unknown {
				t.Errorf("%s, and %v: may have acted is %v", k.name, tr, !tr.unknown)
			}
			if again && k.key && p.calls()[0].Get("Idempotency-Key") != p.calls()[1].Get("Idempotency-Key") {
				t.Errorf("%s has two keys", k.name)
			}
			if again && jti(t, p.calls()[0]) == jti(t, p.calls()[1]) {
				t.Errorf("%s sends its token twice", k.name)
			}
		}
	}
}

func jti(t *testing.T, h http.Header) string {
	t.Helper()
	claims, err := base64.RawURLEncoding.DecodeString(strings.Split(h.Get("auth"), ".")[1])
	if err != nil || !strings.Contains(string(claims), `"jti"`) {
		t.Fatalf("claims %s, %v", claims, err)
	}
	return string(claims)
}

// The host says how long to wait, within bounds; else the wait grows.
func TestHowLongToWait(t *testing.T) {
	t.Parallel()
	now := newClock().now
	for _, test := range []struct {
		trouble
		from, to time.Duration // 0, 0: it is not made again
	}{
		{trouble{retry: "7"}, 7 * time.Second, 8 * time.Second},
		{trouble{retry: " 300 "}, 300 * time.Second, 301 * time.Second},
		{trouble{retry: "301"}, 0, 0},
		{trouble{retry: "18446744073709551615"}, 0, 0},
		{trouble{retry: "0"}, time.Second / 4, time.Second / 2},
		{trouble{retry: "-5"}, time.Second / 4, time.Second / 2},
		{trouble{retry: "soon"}, time.Second / 4, time.Second / 2},
		{trouble{}, time.Second / 4, time.Second / 2},
		{trouble{retry: now.Add(time.Minute).Format(http.TimeFormat), date: now.Format(http.TimeFormat)}, time.Minute, 61 * time.Second},
		// By the host's clock, which is an hour ahead of ours.
		{trouble{retry: now.Add(61 * time.Minute).Format(http.TimeFormat), date: now.Add(time.Hour).Format(http.TimeFormat)}, time.Minute, 61 * time.Second},
		{trouble{retry: now.Add(-time.Minute).Format(http.TimeFormat), date: now.Format(http.TimeFormat)}, time.Second / 4, time.Second / 2},
		{trouble{retry: now.Add(24 * time.Hour).Format(http.TimeFormat), date: now.Format(http.TimeFormat)}, 0, 0},
	} {
		for _, status := range []int{429, 503} {
			test.status = status
			c, _, cl := newPatient(t, client.Config{}, aRemoval, test.trouble)
			_, err := c.Removal(t.Context(), "rm-1")
			if test.to == 0 {
				if e, ok := errors.AsType[*client.Error](err); !ok || e.RetryAfter <= 5*time.Minute || len(cl.slept) > 0 {
					t.Errorf("%+v: error %v, slept %v", test, err, cl.slept)
				}
			} else if err != nil || len(cl.slept) != 1 || cl.slept[0] < test.from || cl.slept[0] > test.to {
				t.Errorf("%+v: error %v, slept %v", test, err, cl.slept)
			}
		}
	}
}

func TestWaitsGrowAndEnd(t *testing.T) {
	t.Parallel()
	c, p, cl := newPatient(t, client.Config{Retry: client.Retry{Attempts: 10}}, aRemoval, make10(trouble{status: 503})...)
	_, err := c.Removal(t.Context(), "rm-1")
	if e, ok := errors.AsType[*client.Error](err); !ok || e.Status != 503 || len(p.calls()) != 10 || len(cl.slept) != 9 {
		t.Fatalf("error %v after %d calls and %d waits", err, len(p.calls()), len(cl.slept))
	}
	for i, d := range cl.slept {
		most := min(time.Second/2<<i, 30*time.Second)
		if d < most/2 || d > most {
			t.Errorf("wait %d is %v, not up to %v", i, d, most)
		}
	}
	if _, err := client.New(client.Config{Host: "http://127.0.0.1:1", ClientID: "cs-1", ClientSecret: strings.Repeat("s", 44), Retry: client.Retry{MaxWait: -1}}); err == nil {
		t.Error("a negative wait is taken")
	}
}

func make10(tr trouble) []trouble {
	all := make([]trouble, 10)
	for i := range all {
		all[i] = tr
	}
	return all
}

// A context that ends ends the waiting, and what may have been done stays known.
func TestContextEndsWaiting(t *testing.T) {
	t.Parallel()
	for _, tr := range []trouble{{status: 429}, {breaks: true}} {
		c, p, cl := newPatient(t, client.Config{}, allRemoved, tr)
		ctx, cancel := context.WithCancel(t.Context())
		cl.before = func(int) error { cancel(); return nil }
		_, err := c.RemoveUsers(ctx, client.RemoveUsersRequest{EmailIDs: ann, IdempotencyKey: "k"})
		if !errors.Is(err, context.Canceled) || client.MayHaveActed(err) != tr.breaks || len(p.calls()) != 1 {
			t.Errorf("%v: error %v after %d calls", tr, err, len(p.calls()))
		}
	}
	// With the real clock, too.
	p := &patient{troubles: []trouble{{status: 429, retry: "200"}}}
	s := httptest.NewServer(p)
	defer s.Close()
	c, err := client.New(client.Config{Host: s.URL, ClientID: "cs-1", ClientSecret: strings.Repeat("s", 44)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := c.Removal(ctx, "rm-1"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
}

// A refusal at the end does not hide that an attempt before may have been done.
func TestLostThenRefused(t *testing.T) {
	t.Parallel()
	c, _, _ := newPatient(t, client.Config{}, allRemoved, trouble{breaks: true}, trouble{status: 401, text: "no"})
	_, err := c.RemoveUsers(t.Context(), client.RemoveUsersRequest{EmailIDs: ann, IdempotencyKey: "k"})
	if e, ok := errors.AsType[*client.Error](err); !ok || e.Status != 401 || !client.MayHaveActed(err) {
		t.Errorf("error %v, may have acted %v", err, client.MayHaveActed(err))
	}
}

// A host that cannot be reached is tried again once it has answered: before that
// its address may be wrong.
func TestHostThatGoesAway(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p, cl := &patient{body: allRemoved}, newClock()
	start := func(l net.Listener) *httptest.Server {
		s := httptest.NewUnstartedServer(p)
		s.Listener.Close()
		s.Listener = l
		s.Start()
		return s
	}
	s := start(listener)
	c, err := client.New(client.Config{Host: s.URL, ClientID: "cs-1", ClientSecret: strings.Repeat("s", 44), Now: cl.Now, Sleep: cl.Sleep})
	if err != nil {
		t.Fatal(err)
	}
	remove := func() error {
		_, err := c.RemoveUsers(t.Context(), client.RemoveUsersRequest{EmailIDs: ann})
		return err
	}
	if err := remove(); err != nil {
		t.Fatal(err)
	}
	s.Close()
	cl.before = func(n int) error {
		if n == 3 {
			again, err := net.Listen("tcp", listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			s = start(again)
		}
		return nil
	}
	if err := remove(); err != nil || len(cl.slept) != 3 || len(p.calls()) != 2 {
		t.Errorf("error %v after %d calls and waits %v", err, len(p.calls()), cl.slept)
	}
	url := s.URL
	s.Close()
	cl = newClock()
	c, err = client.New(client.Config{Host: url, ClientID: "cs-1", ClientSecret: strings.Repeat("s", 44), Now: cl.Now, Sleep: cl.Sleep})
	if err != nil {
		t.Fatal(err)
	}
	if err := remove(); err == nil || client.MayHaveActed(err) || len(cl.slept) != 0 {
		t.Errorf("error %v, waits %v", err, cl.slept)
	}
}

// The token goes nowhere but to the host.
func TestRedirectIsNotFollowed(t *testing.T) {
	t.Parallel()
	elsewhere := &patient{body: allRemoved}
	other := httptest.NewServer(elsewhere)
	defer other.Close()
	s := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusTemporaryRedirect))
	defer s.Close()
	c, err := client.New(client.Config{Host: s.URL, ClientID: "cs-1", ClientSecret: strings.Repeat("s", 44)})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.RemoveUsers(t.Context(), client.RemoveUsersRequest{EmailIDs: ann})
	if e, ok := errors.AsType[*client.Error](err); !ok || e.Status != http.StatusTemporaryRedirect || len(elsewhere.calls()) > 0 {
		t.Errorf("error %v, asked %v", err, elsewhere.calls())
	}
}
