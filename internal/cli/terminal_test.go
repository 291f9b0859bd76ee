package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"

	"roster/internal/rostertest"
	"roster/internal/storetest"
)

// screen collects what a terminal was sent.
type screen struct {
	mu   sync.Mutex
	text []byte
	more chan struct{} // closed and made anew when text has grown
}

func newScreen(src io.Reader) (s *screen, done chan struct{}) {
	s, done = &screen{more: make(chan struct{})}, make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 4096)
		for {
			n, err := src.Read(buf)
			s.mu.Lock()
			s.text = append(s.text, buf[:n]...)
			close(s.more)
			s.more = make(chan struct{})
			s.mu.Unlock()
			if err != nil { // a terminal whose last user has gone fails with EIO
				return
			}
		}
	}()
	return s, done
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return string(s.text)
}

// wait waits until the terminal was sent something.
func (s *screen) wait(t *testing.T, pattern string) {
	t.Helper()
	re := regexp.MustCompile(pattern)
	timeout := time.After(time.Minute)
	for {
		s.mu.Lock()
		more, seen := s.more, re.Match(s.text)
		s.mu.Unlock()
		if seen {
			return
		}
		select {
		case <-more:
		case <-timeout:
			t.Fatalf("the terminal does not show %s, but %q", pattern, s)
		}
	}
}

// session is a run of the program whose three streams are one terminal, unless
// others are named.
type session struct {
	*screen
	t    *testing.T
	cmd  *exec.Cmd
	tty  *os.File
	done chan struct{}
}

type sessionOptions struct {
	size   pty.Winsize
	env    []string
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer
}

func startSession(t *testing.T, o sessionOptions, args ...string) *session {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), storetest.Program(t), args...)
	cmd.Env = append(os.Environ(), append([]string{"TERM=xterm"}, o.env...)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = o.stdin, o.stdout, o.stderr
	attr := &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if o.stdin != nil {
		attr.Ctty = 1 // its standard output is the terminal
	}
	tty, err := pty.StartWithAttrs(cmd, &o.size, attr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tty.Close() })
	s := &session{t: t, cmd: cmd, tty: tty}
	s.screen, s.done = newScreen(tty)
	return s
}

// normal is a terminal of the usual kind.
func normal(env ...string) sessionOptions {
	return sessionOptions{size: pty.Winsize{Rows: 40, Cols: 100}, env: env}
}

func (s *session) send(text string) {
	s.t.Helper()
	if _, err := io.WriteString(s.tty, text); err != nil {
		s.t.Fatal(err)
	}
}

// progressLines is progress, which shows where a machine is slow.
var progressLines = regexp.MustCompile(`^([\r\n]*(\x1b\[1A\x1b\[J)?[A-Z][a-z]+ (users|lines) [^\n]*\n+)+$`)

// ends reports whether the terminal shows a text, and before it at most progress.
func (s *session) ends(text string) bool {
	before, ok := strings.CutSuffix(s.String(), text)
	return ok && (before == "" || progressLines.MatchString(before))
}

// end waits for the end of the program and checks its exit code.
func (s *session) end(code int) {
	s.t.Helper()
	err := s.cmd.Wait()
	<-s.done
	got := 0
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		got = exit.ExitCode()
	} else if err != nil {
		s.t.Fatal(err)
	}
	if got != code {
		s.t.Errorf("exit code %d, not %d; the terminal shows %q", got, code, s)
	}
}

// host speaks the public API: it removes everybody but those named in refuse.
// A call waits until it is let go.
type host struct {
	*httptest.Server
	calls  chan int // the number of ids of each call
	letGo  chan struct{}
	refuse map[string]string // reasons by address
	broken bool              // every call is refused as a whole
}

func newHost(t *testing.T, refuse map[string]string, broken bool) *host {
	t.Helper()
	h := &host{calls: make(chan int, 100), letGo: make(chan struct{}), refuse: refuse, broken: broken}
	h.Server = httptest.NewServer(http.HandlerFunc(h.serve))
	t.Cleanup(h.Close)
	return h
}

func (h *host) serve(w http.ResponseWriter, r *http.Request) {
	var req struct {
		DeleteEmailIds []string `json:"deleteEmailIds"`
	}
	if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	h.calls <- len(req.DeleteEmailIds)
	<-h.letGo
	type failed struct {
		EmailID string            `json:"emailId"`
		Reason  map[string]string `json:"reason"`
	}
	var failures []failed
	for _, id := range req.DeleteEmailIds {
		if reason, ok := h.refuse[id]; ok {
			failures = append(failures, failed{id, map[string]string{"message": reason}})
		}
	}
	answer := map[string]any{"msg": "Users are removed Successfully"}
	if failures != nil {
		answer = map[string]any{"failedUserDetails": failures}
	}
	if h.broken {
		w.WriteHeader(http.StatusInternalServerError)
		answer = map[string]any{"errors": []any{map[string]any{"msg": "\x1b[2Jboo\a", "code": 1}}}
	}
	if err := json.NewEncoder(w).Encode(answer); err != nil {
		panic(err)
	}
}

// env is what a session needs to call the host.
func (h *host) env() []string {
	return []string{"ROSTER_HOST=" + h.URL, "ROSTER_CLIENT_ID=cs-1", "ROSTER_CLIENT_SECRET=" + strings.Repeat("s", 44)}
}

// leavers writes a file of n leavers.
func leavers(t *testing.T, n int) string {
	t.Helper()
	var text bytes.Buffer
	for i := range n {
		fmt.Fprintf(&text, "u%d@example.com\n", i)
	}
	name := filepath.Join(t.TempDir(), "leavers.txt")
	if err := os.WriteFile(name, text.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// A removal shows on a terminal how far it has come, call by call.
func TestRemovalShowsProgress(t *testing.T) {
	t.Parallel()
	h := newHost(t, nil, false)
	s := startSession(t, normal(h.env()...), "user", "remove", "--yes", "--from", leavers(t, 25_000))
	<-h.calls
	s.wait(t, `Removing users 0 / 25000 +\[-+\] 0 %`)
	h.letGo <- struct{}{}
	<-h.calls
	s.wait(t, `Removing users 10000 / 25000 +\[=+>-+\] 40 % +[\d.]+/s +\d+s left`)
	h.letGo <- struct{}{}
	if n := <-h.calls; n != 5000 {
		t.Errorf("the last call has %d ids", n)
	}
	s.wait(t, `Removing users 20000 / 25000`)
	h.letGo <- struct{}{}
	s.end(0)
	s.wait(t, `Removing users 25000 / 25000 +\[=+\] 100 % +[\d.]+/s in [\d.]+m?s\r\n25000 of 25000 users removed, 0 not removed.\r\n$`)
}

// Ctrl-C during a call ends it with a report; its echo does not spoil the bar.
func TestRemovalIsInterrupted(t *testing.T) {
	t.Parallel()
	h := newHost(t, nil, false)
	s := startSession(t, normal(h.env()...), "user", "remove", "--yes", "--from", leavers(t, 20_000))
	<-h.calls
	h.letGo <- struct{}{}
	<-h.calls
	s.wait(t, `Removing users 10000 / 20000 `)
	s.send("\x03")
	s.end(1)
	close(h.letGo)
	s.wait(t, `\^C.*\r\x1b\[1A\x1b\[JRemoving users 10000 / 20000 .* in .*s\r\n`+
		`10000 of 20000 users are known to be removed. Run the same command again to go on.\r\nroster: call the server: .*\r\n$`)
}

// Elsewhere nothing is shown: each of these runs waits for its answer for
// longer than one on a terminal that shows its bar meanwhile.
func TestRemovalIsSilentElsewhere(t *testing.T) {
	t.Parallel()
	h := newHost(t, nil, false)
	file := leavers(t, 1)
	args := []string{"user", "remove", "--yes", "--from", file}
	var stdout, stderr, piped bytes.Buffer

	asJSON := startSession(t, normal(h.env()...), append(args, "--json")...)
	dumb := startSession(t, normal(append(h.env(), "TERM=dumb")...), args...)
	o := normal(h.env()...)
	o.stderr = &piped
	redirected := startSession(t, o, args...)
	script := exec.CommandContext(t.Context(), storetest.Program(t), args...)
	script.Env = append(os.Environ(), h.env()...)
	script.Stdout, script.Stderr = &stdout, &stderr
	if err := script.Start(); err != nil {
		t.Fatal(err)
	}
	o = normal(h.env()...)
	o.size = pty.Winsize{} // as some terminals without a window have it
	noSize := startSession(t, o, args...)
	for range 5 {
		<-h.calls
	}
	shown := startSession(t, normal(h.env()...), args...)
	shown.wait(t, "Removing users 0 / 1 ")
	close(h.letGo)

	const done, doneJSON = "1 of 1 users removed, 0 not removed.\r\n", `{"requested":1,"removed":1,"failed":[]}`
	asJSON.end(0)
	dumb.end(0)
	redirected.end(0)
	noSize.end(0)
	shown.end(0)
	if err := script.Wait(); err != nil {
		t.Error(err)
	}
	for _, c := range []struct{ what, got, want string }{
		{"--json", asJSON.String(), doneJSON + "\r\n"},
		{"a dumb terminal", dumb.String(), done},
		{"standard output alone on a terminal", redirected.String(), done},
		{"... its standard error", piped.String(), ""},
		{"a script", stdout.String(), doneJSON + "\n"},
		{"... its standard error", stderr.String(), ""},
	} {
		if c.got != c.want {
			t.Errorf("%s gets %q", c.what, c.got)
		}
	}
	if !strings.HasSuffix(noSize.String(), done) {
		t.Errorf("a terminal without a size gets %q", noSize)
	}
}

// A person must type the number of users; nobody is removed by anything else.
func TestRemovalAsks(t *testing.T) {
	t.Parallel()
	const asks = "This removes up to 2 users from the account. Type 2 to go on: "
	for _, c := range []struct {
		name, typed string
		args        []string
		calls, code int
		shows       string
	}{
		{"the right number", "2\n", nil, 1, 0, asks + "2\r\n2 of 2 users removed"},
		{"with blanks around it", " 2 \n", nil, 1, 0, "2 of 2 users removed"},
		{"another number", "3\n", nil, 0, 1, asks + "3\r\nroster: nobody was removed\r\n"},
		{"a part of it", "22\n", nil, 0, 1, "nobody was removed"},
		{"yes", "y\n", nil, 0, 1, "nobody was removed"},
		{"nothing", "\n", nil, 0, 1, "nobody was removed"},
		{"Ctrl-D", "\x04", nil, 0, 1, "nobody was removed"},
		{"Ctrl-C", "\x03", nil, 0, 1, "nobody was removed"},
		{"with --yes", "", []string{"--yes"}, 1, 0, "2 of 2 users removed"},
		{"with --json", "2\n", []string{"--json"}, 1, 0, `"removed":2`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t, nil, false)
			close(h.letGo)
			s := startSession(t, normal(h.env()...), append([]string{"user", "remove", "a@example.com", "b@example.com"}, c.args...)...)
			if c.typed != "" {
				s.wait(t, regexp.QuoteMeta(asks))
				s.send(c.typed)
			}
			s.end(c.code)
			if len(h.calls) != c.calls {
				t.Errorf("%d calls were made, not %d", len(h.calls), c.calls)
			}
			if !strings.Contains(s.String(), c.shows) || (c.typed == "") == strings.Contains(s.String(), "to go on") {
				t.Errorf("the terminal shows %q", s)
			}
		})
	}
}

// A script is not asked, and neither is who has a terminal for one end alone.
func TestRemovalAsksNoScript(t *testing.T) {
	t.Parallel()
	h := newHost(t, nil, false)
	close(h.letGo)
	for name, o := range map[string]sessionOptions{
		"standard input is no terminal": {stdin: strings.NewReader("")},
		"standard error is no terminal": {stderr: io.Discard},
	} {
		o.size, o.env = normal().size, h.env()
		s := startSession(t, o, "user", "remove", "a@example.com")
		s.end(0)
		if want := "1 of 1 users removed, 0 not removed.\r\n"; !s.ends(want) {
			t.Errorf("%s: the terminal shows %q", name, s)
		}
	}
}

// Who was not removed is a table, whatever a host may put into its answer.
func TestRemovalShowsTable(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 200) + "@example.com"
	refuse := map[string]string{
		"bo@example.com":     "Unauthorized to perform this activity",
		"東京@example.com":     "evil \x1b]0;title\a reason",
		"\u202egro@evil":     "No\r\nline",
		long:                 strings.Repeat("reason ", 100),
		"nobody@example.com": "User not found. Please check the provided email address.",
	}
	h := newHost(t, refuse, false)
	close(h.letGo)
	args := []string{"user", "remove", "--yes", "ok@example.com", "bo@example.com", "東京@example.com", "\u202egro@evil", "nobody@example.com"}
	s := startSession(t, normal(h.env()...), args...)
	s.end(3)
	want := strings.Join([]string{
		"NOT REMOVED         REASON",
		"bo@example.com      Unauthorized to perform this activity",
		"東京@example.com    evil \ufffd]0;title\ufffd reason",
		"\ufffdgro@evil           No\ufffd\ufffdline",
		"nobody@example.com  User not found. Please check the provided email address.",
		"",
		"1 of 5 users removed, 4 not removed.",
		"",
	}, "\r\n")
	if !s.ends(want) {
		t.Errorf("the terminal shows\n%s\nnot\n%s", s, want)
	}

	s = startSession(t, normal(h.env()...), "user", "remove", "--yes", long, "bo@example.com")
	s.end(3)
	for line := range strings.Lines(s.String()) {
		if n := len([]rune(strings.TrimSpace(line))); n > 24+2+100 {
			t.Errorf("a line has %d characters: %q", n, line)
		}
	}

	h = newHost(t, nil, true)
	close(h.letGo)
	s = startSession(t, normal(h.env()...), "user", "remove", "--yes", "bo@example.com")
	s.end(1)
	if want := "refused the call: \ufffd[2Jboo\ufffd (HTTP 500, code 1)"; !strings.Contains(s.String(), want) || strings.Contains(s.String(), "\x1b") {
		t.Errorf("the terminal shows %q", s)
	}
}

// An import shows that it writes for as long as it does, and its bad rows as a
// table.
func TestImportOnTerminal(t *testing.T) {
	t.Parallel()
	dsn := storetest.New(t, "sqlite")
	account := rostertest.Start(t, dsn, rostertest.Options{}).Account("owner@example.com")
	dir := t.TempDir()
	write := func(name, text string) string {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return filepath.Join(dir, name)
	}
	good := write("good.csv", "emailId\nann@example.com\nbo@example.com\n")
	bad := write("bad.csv", "emailId\n東京\nann@example.com\ncy\x1b[1m@example.com\n")

	db := storetest.SQL(t, dsn)
	db.SetMaxOpenConns(1)
	ctx := context.Background()
	conn, err := db.Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	s := startSession(t, normal("ROSTER_DATABASE="+dsn, "ROSTER_ACCOUNT="+account), "user", "import", good)
	s.wait(t, `Writing 2 people +[-/|\\] +\d+s`)
	if _, err := conn.ExecContext(ctx, "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	s.end(0)
	s.wait(t, `\r\n2 created, 0 updated, 0 bad rows.\r\n$`)

	s = startSession(t, normal("ROSTER_DATABASE="+dsn, "ROSTER_ACCOUNT="+account), "user", "import", "--skip-bad", bad)
	s.end(3)
	want := strings.Join([]string{
		"LINE  ADDRESS             REASON",
		"2     東京                not an e-mail address",
		"3     ann@example.com     the address is a member already",
		"4     cy\ufffd[1m@example.com  not an e-mail address",
		"",
		"0 created, 0 updated, 3 bad rows.",
		"",
	}, "\r\n")
	if !s.ends(want) {
		t.Errorf("the terminal shows\n%s\nnot\n%s", s, want)
	}
}
