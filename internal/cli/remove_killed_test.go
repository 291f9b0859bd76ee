package cli_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"roster/internal/directory"
	"roster/internal/hosttest"
	"roster/internal/rostertest"
	"roster/internal/storetest"
)

// killed is a removal whose process is killed again and again.
type killed struct {
	t    *testing.T
	dir  string
	env  []string
	args []string
	// kill is told the process of each run, to kill it when it likes.
	process atomic.Pointer[os.Process]
}

// newKilled makes a list of ids; call says for which host.
func newKilled(t *testing.T, ids []string, more ...string) *killed {
	t.Helper()
	k := &killed{t: t, dir: t.TempDir()}
	list := filepath.Join(k.dir, "leavers.txt")
	if err := os.WriteFile(list, []byte(strings.Join(ids, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	k.args = append([]string{
		"user", "remove", "--from", list, "--resume-file", filepath.Join(k.dir, "resume"),
		"--report-file", filepath.Join(k.dir, "report.csv"), "--calls-per-minute", "0",
	}, more...)
	return k
}

// call says which host is called, as which app.
func (k *killed) call(host, clientID, secret string) {
	k.env = []string{"ROSTER_HOST=" + host, "ROSTER_CLIENT_ID=" + clientID, "ROSTER_CLIENT_SECRET=" + secret}
}

// end kills the process that runs now, as nothing else would.
func (k *killed) end() {
	if p := k.process.Load(); p != nil {
		if err := p.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			k.t.Error(err)
		}
	}
}

// run runs the command once. killed says that it was.
func (k *killed) run() (code int, killed bool, out removed) {
	k.t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(k.t.Context(), storetest.Program(k.t), k.args...)
	cmd.Env = append(os.Environ(), k.env...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		k.t.Fatal(err)
	}
	k.process.Store(cmd.Process)
	err := cmd.Wait()
	k.process.Store(nil)
	exit, isExit := errors.AsType[*exec.ExitError](err)
	switch {
	case err == nil:
	case !isExit:
		k.t.Fatal(err)
	case exit.ExitCode() < 0:
		return 0, true, out
	default:
		code = exit.ExitCode()
	}
	if err := json.Unmarshal(stdout.Bytes(), &out); err != nil {
		k.t.Fatalf("exit code %d, %s%s", code, &stdout, &stderr)
	}
	return code, false, out
}

// removed is what the command prints.
type removed struct {
	Requested, Removed, DoneBefore int
	Failed, Unclear                []struct{ EmailID, Reason string }
	RemovalIDs                     []string
	Error                          string
}

// outcomes reads the report file: what came of each user, in their order.
func (k *killed) outcomes() (ids []string, outcome map[string]string) {
	k.t.Helper()
	text, err := os.ReadFile(filepath.Join(k.dir, "report.csv"))
	if err != nil {
		k.t.Fatal(err)
	}
	rows, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	if err != nil {
		k.t.Fatal(err)
	}
	outcome = map[string]string{}
	for _, row := range rows[1:] {
		ids = append(ids, row[0])
		outcome[row[0]] = row[2]
	}
	return ids, outcome
}

// A process that is killed while its calls are on the way is followed by others,
// until all of the list is dealt with.
func TestRemovalIsKilled(t *testing.T) {
	t.Parallel()
	for _, keys := range []bool{true, false} {
		t.Run(fmt.Sprint("keeps keys: ", keys), func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(11, 1))
			members := map[string]string{"bystander@example.com": ""}
			var ids []string
			for i := range 120 {
				id := fmt.Sprintf("u%d@example.com", i)
				ids = append(ids, id)
				if i%10 != 0 {
					members[id] = ""
				}
			}
			h := hosttest.Start(t, members, hosttest.Config{KeepsKeys: keys})
			k := newKilled(t, ids, "--batch-size", "5")
			k.call(h.URL, "cs-1", hosttest.Secret)
			kills := 0
			for {
				at := 1 + r.IntN(6)
				h.OnCall(func(int) {
					if at--; at == 0 {
						k.end()
					}
				})
				code, wasKilled, out := k.run()
				if wasKilled {
					if kills++; kills > 60 {
						t.Fatal("no end")
					}
					continue
				}
				if code != 3 || out.Requested != 120 || out.Removed+len(out.Failed)+len(out.Unclear) != 120 || (keys && out.Removed != 108) {
					t.Fatalf("exit code %d, %+v", code, out)
				}
				break
			}
			if kills < 3 {
				t.Errorf("%d kills", kills)
			}
			told, outcome := k.outcomes()
			if !slices.Equal(told, ids) {
				t.Errorf("the report lists %q", told)
			}
			for i, id := range ids {
				want := "removed"
				if i%10 == 0 {
					want = "not removed"
				}
				if outcome[id] != want && (keys || outcome[id] != "unclear") {
					t.Errorf("%s: %s", id, outcome[id])
				}
				if h.Seen().Removed[id] > 1 {
					t.Errorf("%s was removed %d times", id, h.Seen().Removed[id])
				}
			}
			if left := h.Members(); len(left) != 1 || !left["bystander@example.com"] {
				t.Errorf("members %v", left)
			}
		})
	}
}

// onTheWay stands between a command and a server, and breaks off what it is told to:
// the request before it arrives, or the answer.
type onTheWay struct {
	*httptest.Server

	mu   sync.Mutex
	fate func() (before, after bool)
}

func newOnTheWay(t *testing.T, to string, fate func() (before, after bool)) *onTheWay {
	t.Helper()
	target, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{
		Rewrite:  func(r *httputil.ProxyRequest) { r.SetURL(target) },
		ErrorLog: log.New(io.Discard, "", 0), // clients that are gone
	}
	w := &onTheWay{fate: fate}
	w.Server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		w.mu.Lock()
		before, after := w.fate()
		w.mu.Unlock()
		if before {
			panic(http.ErrAbortHandler)
		}
		if !after {
			proxy.ServeHTTP(rw, r)
			return
		}
		proxy.ServeHTTP(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler)
	}))
	t.Cleanup(w.Close)
	return w
}

// The same with this server: it keeps keys, so in the end each person was removed
// once, by one removal, and nothing is unclear.
func TestRemovalIsKilledOnRealServer(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		const n, size = 200, 10
		s := rostertest.Start(t, dsn, rostertest.Options{RateLimits: directory.RateLimits{}})
		account := s.Account("owner@example.com")
		ids := []string{"owner@example.com"}
		for i := range n {
			ids = append(ids, fmt.Sprintf("u%d@example.com", i))
		}
		s.Users(account, append(slices.Clone(ids[1:]), "bystander@example.com")...)
		ids = append(ids, "nobody@example.com")
		app := s.App(account)
		r := rand.New(rand.NewPCG(5, 1))
		k := newKilled(t, ids, "--batch-size", strconv.Itoa(size))
		way := newOnTheWay(t, s.URL, func() (before, after bool) {
			switch r.IntN(12) {
			case 0, 1:
				k.end()
			case 2:
				return true, false
			case 3:
				return false, true
			}
			return false, false
		})
		k.call(way.URL, app.ClientID, app.Secret)
		kills := 0
		code, wasKilled, out := k.run()
		for ; wasKilled; code, wasKilled, out = k.run() {
			if kills++; kills > 60 {
				t.Fatal("no end")
			}
		}
		calls := (len(ids) + size - 1) / size
		if code != 3 || out.Removed != n || len(out.Failed) != 2 || len(out.Unclear) != 0 || len(out.RemovalIDs) != calls || kills == 0 {
			t.Errorf("exit code %d after %d kills, %+v", code, kills, out)
		}
		if left := s.Members(account); !slices.Equal(left, []string{"owner@example.com", "bystander@example.com"}) {
			t.Errorf("members %q", left)
		}
		told, outcome := k.outcomes()
		if !slices.Equal(told, ids) || outcome["owner@example.com"] != "not removed" || outcome["nobody@example.com"] != "not removed" || outcome["u7@example.com"] != "removed" {
			t.Errorf("the report lists %d users, the owner as %q", len(told), outcome["owner@example.com"])
		}
		// No call was done twice: there are as many removals as calls.
		answer := s.Do(rostertest.Request{Method: http.MethodGet, Path: "/api/public/users/removals", Token: app.Token(nil)})
		if want := fmt.Sprintf(`{"total":%d,`, calls); !strings.HasPrefix(answer.Body, want) {
			t.Errorf("the server has other removals than %s: %.100s", want, answer.Body)
		}
		s.VerifyAudit()
	})
}

// A job is followed to its end by whichever process comes last, and is one job.
func TestJobOfCommandIsKilled(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		const n = 300
		s := rostertest.Start(t, dsn, rostertest.Options{})
		account := s.Account("owner@example.com")
		ids := []string{"owner@example.com"}
		for i := range n {
			ids = append(ids, fmt.Sprintf("u%d@example.com", i))
		}
		s.Users(account, append(slices.Clone(ids[1:]), "bystander@example.com")...)
		app := s.App(account)
		k := newKilled(t, ids, "--async")
		calls := 0
		way := newOnTheWay(t, s.URL, func() (before, after bool) {
			switch calls++; calls {
			case 2: // the job's answer is lost, and the process as well
				k.end()
				return false, true
			case 4: // its answer is lost again
				return false, true
			case 6: // while it looks
				k.end()
			}
			return false, false
		})
		k.call(way.URL, app.ClientID, app.Secret)
		kills := 0
		code, wasKilled, out := k.run()
		for ; wasKilled; code, wasKilled, out = k.run() {
			if kills++; kills > 5 {
				t.Fatal("no end")
			}
		}
		if code != 3 || kills != 2 || out.Removed != n || len(out.Failed) != 1 || out.Failed[0].EmailID != "owner@example.com" || len(out.RemovalIDs) != 1 {
			t.Errorf("exit code %d after %d kills, %+v", code, kills, out)
		}
		if left := s.Members(account); !slices.Equal(left, []string{"owner@example.com", "bystander@example.com"}) {
			t.Errorf("members %q", left)
		}
		if told, outcome := k.outcomes(); !slices.Equal(told, ids) || outcome["owner@example.com"] != "not removed" || outcome["u7@example.com"] != "removed" {
			t.Errorf("the report lists %d users, the owner as %q", len(told), outcome["owner@example.com"])
		}
		answer := s.Do(rostertest.Request{Method: http.MethodGet, Path: "/api/public/users/removals", Token: app.Token(nil)})
		if !strings.HasPrefix(answer.Body, `{"total":1,`) {
			t.Errorf("the server has other removals: %.100s", answer.Body)
		}
	})
}

// A host of the published API alone knows no jobs, and is found out before anybody
// is removed.
func TestJobOnPublishedHost(t *testing.T) {
	t.Parallel()
	h := hosttest.Start(t, map[string]string{"u0@example.com": ""}, hosttest.Config{})
	k := newKilled(t, []string{"u0@example.com"}, "--async")
	k.call(h.URL, "cs-1", hosttest.Secret)
	code, _, out := k.run()
	if code != 1 || out.Error != "the host does not know the option respond-async: nobody was removed" || len(h.Members()) != 1 {
		t.Errorf("exit code %d, %+v, members %v", code, out, h.Members())
	}
}
