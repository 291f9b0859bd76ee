package publicapi_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"roster/internal/rostertest"
	"roster/internal/storetest"
)

// cutter is a line to the server that breaks: after so many bytes of the request
// or of the answer both ends lose it.
type cutter struct {
	net.Listener
	server   string // host:port
	requests chan cut
}

// cut says where a line breaks: after bytes of the request, or of the answer.
type cut struct {
	answer bool
	after  int64
}

func newCutter(t *testing.T, url string) *cutter {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cutter{Listener: listener, server: strings.TrimPrefix(url, "http://"), requests: make(chan cut, 1)}
	done := make(chan struct{})
	t.Cleanup(func() { listener.Close(); <-done })
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			c.carry(conn, <-c.requests)
		}
	}()
	return c
}

// carry carries one connection's bytes until it breaks.
func (c *cutter) carry(client net.Conn, at cut) {
	defer client.Close()
	server, err := net.Dial("tcp", c.server)
	if err != nil {
		return
	}
	defer server.Close()
	if !at.answer {
		go func() {
			_, _ = io.CopyN(server, client, at.after)
			_ = server.(*net.TCPConn).CloseWrite()
		}()
		_, _ = io.Copy(io.Discard, server) // nobody hears the answer
		return
	}
	go func() { _, _ = io.Copy(server, client) }()
	_, _ = io.CopyN(client, server, at.after)
}

// try sends a request over a line that breaks, and reports whether its answer
// was lost.
func (c *cutter) try(request *http.Request, at cut) (lost bool) {
	c.requests <- at
	request.URL.Host = c.Addr().String()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(request)
	if err != nil {
		return true
	}
	defer resp.Body.Close()
	_, err = io.ReadAll(resp.Body)
	return err != nil
}

// TestAnswerLostOnTheWay is promise R3: a client whose line breaks at any byte
// of its request or of the answer repeats the call with its key until it has an
// answer, which is that of a single call, and a single one is what was done.
// The control: without a key the repeated call finds nobody, and is a second
// removal.
func TestAnswerLostOnTheWay(t *testing.T) {
	t.Parallel()
	calls := storetest.Count(100, 5000)
	seed := uint64(time.Now().UnixNano())
	storetest.Each(t, func(t *testing.T, dsn string) {
		t.Logf("seed %d", seed)
		rng := rand.New(rand.NewPCG(seed, 3))
		w := start(t, dsn, rostertest.Options{})
		line := newCutter(t, w.URL)
		lost, done := 0, 0
		for i := range calls {
			email := fmt.Sprintf("user.%d@example.com", i)
			w.Users(w.account, email)
			body := emails(email, "x")
			request := rostertest.Request{Body: body, Token: w.app.Token(nil), Header: header1("Idempotency-Key", email)}
			for range rng.IntN(3) {
				if line.try(w.request(request), cut{rng.IntN(2) == 0, rng.Int64N(900)}) {
					lost++
				}
			}
			answer := w.Do(request)
			for answer.Status == http.StatusConflict { // a lost call may still run
				answer = w.Do(request)
			}
			w.compare(answer, 200, failed(byEmail(`"x"`, badEmail)), nil)
			if answer.Header.Get("Idempotency-Replayed") != "" {
				done++
			}
		}
		removals := func() int {
			return query[int](w, `SELECT COUNT(*) FROM removals r JOIN accounts a ON a.id = r.account_id WHERE a.public_id = $1`)
		}
		records := query[int](w, `SELECT COUNT(*) FROM audit_records r JOIN accounts a ON a.id = r.account_id WHERE a.public_id = $1 AND r.kind = 'user.deleted'`)
		if removals() != calls || records != calls {
			t.Errorf("%d removals of %d users for %d calls", removals(), records, calls)
		}
		if lost < calls/4 || done < calls/10 {
			t.Errorf("%d answers of %d calls were lost, %d of them after the call was done: the test breaks too few", lost, calls, done)
		}
		t.Logf("%d calls, %d answers lost, %d calls done all the same", calls, lost, done)

		w.Users(w.account, "control@example.com")
		request := rostertest.Request{Body: emails("control@example.com"), Token: w.app.Token(nil)}
		if !line.try(w.request(request), cut{true, 10}) {
			t.Fatal("the control's answer was not lost")
		}
		w.compare(w.Do(request), 200, failed(byEmail(`"control@example.com"`, noSuchEmail)), nil)
		if removals() != calls+2 {
			t.Errorf("the control made %d removals, want two", removals()-calls)
		}
	})
}

// request makes a request as Do does.
func (w *world) request(req rostertest.Request) *http.Request {
	w.T.Helper()
	r, err := http.NewRequestWithContext(w.T.Context(), http.MethodDelete, w.URL+"/api/public/users", strings.NewReader(req.Body))
	if err != nil {
		w.T.Fatal(err)
	}
	r.Header.Set("auth", req.Token)
	for name, value := range req.Header {
		r.Header.Set(name, value)
	}
	return r
}
