package publicapi_test

import (
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"roster/internal/publicapi"
	"roster/internal/rostertest"
	"roster/internal/server"
	"roster/internal/storetest"
	"roster/internal/web"
)

const mib = 1 << 20

// later is how long a client should wait after 503.
var later = map[string]string{"Retry-After": "5"}

// unhurried are time-outs that no test meets but that of Drain.
func unhurried() server.Timeouts {
	return server.Timeouts{
		Header: time.Minute, Body: time.Minute, Idle: time.Minute,
		Timeouts: web.Timeouts{Answer: time.Minute, Drain: 3 * time.Second},
	}
}

// strangers is a body of addresses of nobody, as many as a call may name, just
// under 160 bytes each.
func strangers(ids int) string {
	var b strings.Builder
	b.WriteString(`{"deleteEmailIds":["x0@example.com"`)
	fill := strings.Repeat("long.", 28)
	for i := range ids - 1 {
		fmt.Fprintf(&b, `,"%06d@%sexample.com"`, i, fill)
	}
	return b.String() + `]}`
}

// alive is how much memory lives, in MiB.
func alive() int {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc / mib)
}

// TestManyLargeCalls lets 50 clients of one account send the largest body but
// for its last byte. Eight of them hold half of what all calls may hold; the
// others are told to come later, the memory that lives is bounded, and small
// calls and the large ones of another account pass meanwhile. Then the eight
// go on. The long form has the limits of a server in use, the other an eighth
// of them.
//
// It measures the whole process, so it does not run in parallel.
func TestManyLargeCalls(t *testing.T) {
	const calls, served = 50, 8
	limits := publicapi.Limits{MaxIDs: publicapi.DefaultMaxIDs / 8, MaxBody: publicapi.DefaultMaxBody / 8}
	if storetest.Long() {
		limits = publicapi.Limits{MaxIDs: publicapi.DefaultMaxIDs, MaxBody: publicapi.DefaultMaxBody}
	}
	body := strangers(limits.MaxIDs)
	// So many of the largest bodies may live: eight that are held, half as much
	// again for what is made of them, and what is sent to the database for each
	// connection to it, of which SQLite has one to write and PostgreSQL four.
	for engine, most := range map[string]int{"sqlite": 20, "postgres": 40} {
		most = most * int(limits.MaxBody) / mib
		t.Run(engine, func(t *testing.T) {
			var mu sync.Mutex
			before, peak := alive(), 0
			measure := func() {
				mu.Lock()
				defer mu.Unlock()
				peak = max(peak, alive()-before)
			}
			w := start(t, storetest.New(t, engine), rostertest.Options{Limits: limits, Timeouts: unhurried(), Trace: func(query string) {
				if strings.HasPrefix(query, "INSERT INTO removals") {
					measure()
				}
			}})
			answers := make(chan rostertest.Answer)
			goOn := make(chan struct{})
			for range calls {
				conn, head := w.dial(), w.head(contentLength(len(body)))
				go func() {
					io.WriteString(conn, head+body[:len(body)-1])
					go func() {
						<-goOn
						io.WriteString(conn, body[len(body)-1:])
					}()
					got, err := conn.read(1024) // the answers are larger than the bodies
					if err != nil {
						t.Errorf("read the answer: %v", err)
					}
					answers <- got
				}()
			}
			for range calls - served {
				w.compare(<-answers, http.StatusServiceUnavailable, unavailable, later)
			}
			measure()
			if got := w.Remove(w.app, emails(ann)); got.Status != http.StatusOK || got.Body != removed {
				t.Errorf("a small call is answered %d %s", got.Status, got.Body)
			}
			if got := w.Remove(w.app, body); got.Status != http.StatusServiceUnavailable {
				t.Errorf("one more large call is answered %d", got.Status)
			}
			if got := w.Remove(w.otherApp, body); got.Status != http.StatusOK {
				t.Errorf("a large call of another account is answered %d", got.Status)
			}
			close(goOn)
			for range served {
				if got := <-answers; got.Status != http.StatusOK {
					t.Errorf("a large call that was served is answered %d %s", got.Status, got.Body)
				}
			}
			if got := w.Remove(w.app, body); got.Status != http.StatusOK {
				t.Errorf("a large call is answered %d after all the others", got.Status)
			}
			if t.Logf("%d MiB alive at most", peak); peak > most {
				t.Errorf("%d MiB were alive, want at most %d", peak, most)
			}
			if !strings.Contains(w.Log.String(), `"msg":"too many calls at once"`) {
				t.Error("the log does not say that there were too many calls")
			}
		})
	}
}

// Who announces a large body and sends little of it holds little: a hundred of
// them take nothing away from others, though what they announce is far more
// than all calls may hold.
func TestSlowSendersTakeNoRoom(t *testing.T) {
	t.Parallel()
	limits := publicapi.Limits{MaxIDs: 20_000, MaxBody: 4 * mib, MaxBodies: 8 * mib}
	w := start(t, storetest.New(t, "sqlite"), rostertest.Options{Limits: limits, Timeouts: unhurried()})
	head := w.head(contentLength(4 * mib))
	for range 100 {
		w.dial().send(head + `{"deleteEmailIds":["bob@example.com"`)
	}
	if got := w.Remove(w.app, strangers(20_000)); got.Status != http.StatusOK {
		t.Errorf("a large call is answered %d", got.Status)
	}
}

// A call pays for its ids too, short as they may be: each counts for its share
// of the largest body. What is refused for that leaves no trace.
func TestIDsTakeRoom(t *testing.T) {
	t.Parallel()
	storetest.EachInLong(t, func(t *testing.T, dsn string) {
		limits := publicapi.Limits{MaxIDs: 1000, MaxBody: 1 * mib, MaxBodies: 1 * mib}
		w := start(t, dsn, rostertest.Options{Limits: limits})
		before := w.Dump()
		body := func(n int) string { return emails(append(repeated("a", n-1), ann)...) }
		// An account gets half of 1 MiB, and 64 KiB besides: 1,048 bytes for each id.
		w.compare(w.Remove(w.app, body(570)), http.StatusServiceUnavailable, unavailable, later)
		w.unchanged(before)
		w.compare(w.Remove(w.app, body(555)), http.StatusOK, failed(byEmail(`"a"`, "Invalid emailId")), nil)
	})
}

func repeated(s string, n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = s
	}
	return all
}
