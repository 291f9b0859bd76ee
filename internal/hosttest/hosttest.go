// Package hosttest gives tests a host of the published removal call that is in
// trouble: it limits calls by a clock of the test, breaks connections before and
// after it has removed somebody, cuts answers, and is busy. It shares no code with
// the server of this repository, and remembers what it did to whom.
package hosttest

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Path is that of the removal call.
const Path = "/api/public/users"

// Config says what a host is like.
type Config struct {
	// KeepsKeys makes it one that knows idempotency keys and names removals; else it
	// only speaks the published API.
	KeepsKeys bool
	// PerMinute is how many calls it lets through within any minute of Now; 0 for all.
	PerMinute int
	Now       func() time.Time
	// Trouble is the share of calls, 0 to 1, that end in trouble of one kind or the
	// other, drawn by Seed.
	Trouble float64
	Seed    uint64
	// Busy is the Retry-After of 503 in seconds.
	Busy int
}

// Host is a host under test.
type Host struct {
	*httptest.Server

	cfg Config

	mu          sync.Mutex
	rand        *rand.Rand
	members     map[string]string // "", or why the member cannot be removed
	keys        map[string]kept
	starts      []time.Time
	refuseUntil time.Time
	onCall      func(n int)
	total       int
	seen        Seen
}

// Seen is what happened at a host.
type Seen struct {
	// Removed counts how often each was removed, which should be once.
	Removed map[string]int
	// Calls counts those that were let through, Limited those that were not, and
	// Troubles those that ended in trouble.
	Calls, Limited, Troubles int
	removals                 int
}

// Seen is what happened so far.
func (h *Host) Seen() Seen {
	h.mu.Lock()
	defer h.mu.Unlock()
	seen := h.seen
	seen.Removed = maps.Clone(seen.Removed)
	return seen
}

// OnCall sets what is called when the request of a call has come, with the number
// of the call, from 1.
func (h *Host) OnCall(fn func(n int)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.onCall = fn
}

// kept is the first answer under a key.
type kept struct{ body, answer, id string }

// Start starts a host whose members are those given, each with the reason why it
// cannot be removed, if there is one. It ends with the test.
func Start(t testing.TB, members map[string]string, cfg Config) *Host {
	t.Helper()
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	h := &Host{
		cfg: cfg, rand: rand.New(rand.NewPCG(cfg.Seed, 1)), members: maps.Clone(members), //nolint:gosec // to be had again
		keys: map[string]kept{}, seen: Seen{Removed: map[string]int{}},
	}
	h.Server = httptest.NewServer(h)
	t.Cleanup(h.Close)
	return h
}

// RefuseUntil makes the host refuse all calls until a time, with 429 and its date.
func (h *Host) RefuseUntil(t time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.refuseUntil = t
}

// Members are those who are left.
func (h *Host) Members() map[string]bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	left := map[string]bool{}
	for id := range h.members {
		left[id] = true
	}
	return left
}

// ServeHTTP implements http.Handler.
func (h *Host) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.total++
	if h.onCall != nil {
		h.onCall(h.total)
	}
	switch {
	case err != nil: // the client is gone, and has sent no request
		return
	case r.Method != http.MethodDelete || r.URL.Path != Path:
		refuse(w, http.StatusNotFound, "not of the published call")
		return
	case h.cfg.KeepsKeys && (r.URL.RawQuery != "" || r.Header.Get("Prefer") != ""):
		refuse(w, http.StatusNotImplemented, "options are left to the real server") // the published call ignores them
		return
	case h.cfg.Now().Before(h.refuseUntil):
		h.seen.Limited++
		w.Header().Set("Retry-After", h.refuseUntil.UTC().Format(http.TimeFormat))
		w.Header().Set("Date", h.cfg.Now().UTC().Format(http.TimeFormat))
		refuse(w, http.StatusTooManyRequests, "come back later")
		return
	case h.overLimit():
		h.seen.Limited++
		w.Header().Set("Retry-After", strconv.Itoa(int(h.starts[0].Add(time.Minute).Sub(h.cfg.Now()).Seconds())+1))
		refuse(w, http.StatusTooManyRequests, "slow down")
		return
	}
	h.seen.Calls++
	trouble := kind(-1)
	if h.rand.Float64() < h.cfg.Trouble {
		h.seen.Troubles++
		trouble = kind(h.rand.IntN(int(kinds)))
	}
	h.answer(w, r, string(body), trouble)
}

// kind is a kind of trouble.
type kind int

const (
	breaksBefore kind = iota
	breaksAfter
	cutsAnswer
	busyBefore
	busyAfter // as a gateway that gives up on the host behind it
	slowDown
	kinds
)

func (h *Host) answer(w http.ResponseWriter, r *http.Request, body string, trouble kind) {
	switch trouble {
	case breaksBefore:
		panic(http.ErrAbortHandler)
	case busyBefore:
		w.Header().Set("Retry-After", strconv.Itoa(h.cfg.Busy))
		refuse(w, http.StatusServiceUnavailable, "busy")
		return
	case slowDown:
		refuse(w, http.StatusTooManyRequests, "slow down")
		return
	}
	answer, id := h.remove(r.Header.Get("Idempotency-Key"), body)
	if id != "" {
		w.Header().Set("X-Removal-Id", id)
	}
	switch trouble {
	case breaksAfter:
		panic(http.ErrAbortHandler)
	case cutsAnswer:
		w.Header().Set("Content-Length", strconv.Itoa(len(answer)))
		fmt.Fprint(w, answer[:h.rand.IntN(len(answer))])
		if f, ok := w.(http.Flusher); ok {
			f.Flush()
		}
		panic(http.ErrAbortHandler)
	case busyAfter:
		refuse(w, http.StatusGatewayTimeout, "the host behind does not answer")
		return
	}
	fmt.Fprint(w, answer)
}

// overLimit takes a place under the limit, unless there is none.
func (h *Host) overLimit() bool {
	if h.cfg.PerMinute == 0 {
		return false
	}
	now := h.cfg.Now()
	for len(h.starts) > 0 && !h.starts[0].Add(time.Minute).After(now) {
		h.starts = h.starts[1:]
	}
	if len(h.starts) >= h.cfg.PerMinute {
		return true
	}
	h.starts = append(h.starts, now)
	return false
}

func (h *Host) remove(key, body string) (answer, id string) {
	if first, ok := h.keys[key]; ok && h.cfg.KeepsKeys && key != "" {
		if first.body != body {
			panic("a key was used for another request")
		}
		return first.answer, first.id
	}
	var req struct {
		DeleteEmailIDs []string `json:"deleteEmailIds"`
		OrgUserIDs     []string `json:"orgUserIds"`
	}
	if err := json.Unmarshal([]byte(body), &req); err != nil {
		panic(err)
	}
	ids := slices.Concat(req.DeleteEmailIDs, req.OrgUserIDs)
	h.seen.removals++
	type failure struct {
		EmailID   string            `json:"emailId,omitempty"`
		OrgUserID string            `json:"orgUserId,omitempty"`
		Reason    map[string]string `json:"reason"`
	}
	var failed []failure
	for i, id := range ids {
		reason, member := h.members[id]
		if !member {
			reason = "User not found. Please check the provided email address."
		}
		if reason == "" {
			delete(h.members, id)
			h.seen.Removed[id]++
			continue
		}
		f := failure{EmailID: id, Reason: map[string]string{"message": reason}}
		if i >= len(req.DeleteEmailIDs) {
			f.EmailID, f.OrgUserID = "", id
		}
		failed = append(failed, f)
	}
	answer = `{"msg":"Users are removed Successfully"}`
	if failed != nil {
		text, err := json.Marshal(map[string]any{"failedUserDetails": failed})
		if err != nil {
			panic(err)
		}
		answer = string(text)
	}
	if h.cfg.KeepsKeys {
		id = fmt.Sprintf("rm-%d", h.seen.removals)
		h.keys[key] = kept{body, answer, id}
	}
	return answer, id
}

func refuse(w http.ResponseWriter, status int, text string) {
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"errors":[{"msg":%q,"code":%d}]}`, text, status)
}

// Clock is a clock that only its Sleep moves.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// NewClock returns a clock that stands at some time.
func NewClock() *Clock { return &Clock{now: time.Date(2031, 7, 1, 6, 0, 0, 0, time.UTC)} }

// Now is the time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Add lets time go by.
func (c *Clock) Add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// Secret is a client secret of the right form.
var Secret = strings.Repeat("s", 44)
