package publicapi_test

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"roster/internal/rostertest"
	"roster/internal/server"
	"roster/internal/storetest"
)

const tooLate = `{"errors":[{"msg":"Request Timeout","code":408}]}`

// soon is a time-out that a test waits for.
const soon = time.Second

// TestSlowClients lets clients be slow where a time-out watches over them, each
// on a server of its own. None of them removes anybody, and a good call on
// another connection is answered meanwhile.
func TestSlowClients(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		says     string
		timeouts func(*server.Timeouts)
		do       func(*world, *conn)
	}{
		{"a header by the byte", func(o *server.Timeouts) { o.Header = soon }, func(w *world, c *conn) {
			go c.drip(w.head("X: " + strings.Repeat("x", 10_000)))
			w.closed(c)
		}},
		{"half a header", func(o *server.Timeouts) { o.Header = soon }, func(w *world, c *conn) {
			w.closed(c.send("DELETE /api/public/users HTTP/1.1\r\n"))
		}},
		{"nothing after connecting", func(o *server.Timeouts) { o.Header = soon }, func(w *world, c *conn) { w.closed(c) }},
		{"nothing after a request", func(o *server.Timeouts) { o.Idle = soon }, func(w *world, c *conn) {
			w.compare(c.send(w.head(contentLength(1))+"{").answer(), http.StatusBadRequest, invalidJSON, nil)
			w.closed(c)
		}},
		{"half a request after a request", func(o *server.Timeouts) { o.Header = soon }, func(w *world, c *conn) {
			w.compare(c.send(w.head(contentLength(1))+"{DELETE /api/public/users HTTP/1.1\r\n").answer(), http.StatusBadRequest, invalidJSON, nil)
			w.closed(c)
		}},
		{"a body by the byte", func(o *server.Timeouts) { o.Body, o.Drain = soon, soon }, func(w *world, c *conn) {
			c.send(w.head(contentLength(16 * mib)))
			go c.drip(emails(ann) + strings.Repeat(" ", 10_000))
			w.compare(c.answer(), http.StatusRequestTimeout, tooLate, nil)
			w.closed(c)
		}},
		{"a body but for its last byte", func(o *server.Timeouts) { o.Body, o.Drain = soon, soon }, func(w *world, c *conn) {
			c.send(w.head(contentLength(len(emails(ann))+1)) + emails(ann))
			w.compare(c.answer(), http.StatusRequestTimeout, tooLate, nil)
			w.closed(c)
		}},
		{"half a chunk", func(o *server.Timeouts) { o.Body, o.Drain = soon, soon }, func(w *world, c *conn) {
			c.send(w.head(chunkedBody) + chunked(emails(ann))[:20])
			w.compare(c.answer(), http.StatusRequestTimeout, tooLate, nil)
			w.closed(c)
		}},
		{"a body without a token", func(o *server.Timeouts) { o.Drain = soon }, func(w *world, c *conn) {
			c.send("DELETE /api/public/users HTTP/1.1\r\nHost: roster\r\n" + contentLength(1000) + "\r\n\r\n{")
			w.compare(c.answer(), http.StatusUnauthorized, badToken, nil)
			w.closed(c)
		}},
		{"no body that was promised for 100", func(o *server.Timeouts) { o.Body, o.Drain = soon, soon }, func(w *world, c *conn) {
			c.send(w.head(contentLength(1000), "Expect: 100-continue"))
			if got := c.answer(); got.Status != http.StatusContinue {
				w.T.Errorf("answered %d, want 100", got.Status)
			}
			w.compare(c.answer(), http.StatusRequestTimeout, tooLate, nil)
			w.closed(c)
		}},
	} {
		t.Run(c.says, func(t *testing.T) {
			t.Parallel()
			timeouts := unhurried()
			c.timeouts(&timeouts)
			w := start(t, storetest.New(t, "sqlite"), rostertest.Options{Timeouts: timeouts})
			before := w.Dump()
			c.do(w, w.dial())
			w.unchanged(before)
			w.compare(w.Remove(w.app, emails(ann)), http.StatusOK, removed, nil)
		})
	}
}

// drip sends the text byte by byte, until the server has had enough.
func (c *conn) drip(text string) {
	tick := time.NewTicker(soon / 100)
	defer tick.Stop()
	for i := range len(text) {
		if _, err := io.WriteString(c, text[i:i+1]); err != nil {
			return
		}
		<-tick.C
	}
}

// closed checks that the server closes the connection and says nothing more.
// net/http says 400 where its time-out for a header falls within a line.
func (w *world) closed(c *conn) {
	w.T.Helper()
	rest, err := io.ReadAll(c.r)
	said := len(rest) > 0 && !strings.HasPrefix(string(rest), "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain")
	if said || (err != nil && !errors.Is(err, errReset)) {
		w.T.Errorf("read %q and %v, want the end of the connection", rest, err)
	}
}

// A header without end is refused, by whoever it is sent.
func TestEndlessHeader(t *testing.T) {
	t.Parallel()
	w := start(t, storetest.New(t, "sqlite"), rostertest.Options{Timeouts: unhurried()})
	conn := w.dial()
	go func() {
		text := strings.TrimSuffix(w.head(), "\r\n")
		for {
			if _, err := io.WriteString(conn, text); err != nil {
				return // the server has had enough
			}
			text = strings.Repeat("X: y\r\n", 1000)
		}
	}()
	if got, err := conn.read(1024); err != nil || got.Status != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("answered %d, %v", got.Status, err)
	}
	w.compare(w.Remove(w.app, emails(ann)), http.StatusOK, removed, nil)
}

// A client that does not read its answer changes nothing about what was done,
// and the server waits for it so long and no longer.
func TestAnswerIsNotRead(t *testing.T) {
	t.Parallel()
	timeouts := unhurried()
	timeouts.Answer = soon
	w := start(t, storetest.New(t, "sqlite"), rostertest.Options{Timeouts: timeouts})
	body := strings.Replace(strangers(30_000), "x0@example.com", ann, 1) // answered by more than sockets hold
	conn := w.dial()
	if err := conn.SetReadBuffer(4 << 10); err != nil {
		t.Fatal(err)
	}
	conn.send(w.head(contentLength(len(body)), "X-Request-Id: unread") + body)
	line := w.accessLine("unread")
	whole := 29_999 * len(byEmail(`"x"`, noSuchEmail)) // at least
	if line["status"] != 200.0 || line["removed"] != 1.0 || line["tookMs"].(float64) < float64(soon.Milliseconds()) ||
		line["bytes"].(float64) >= float64(whole) {
		t.Errorf("logged as %v, of at least %d bytes", line, whole)
	}
	if slices.Contains(w.Members(w.account), ann) {
		t.Error("Ann is still there")
	}
}

// A client that has sent its request and closes its half of the connection
// is served like any other.
func TestHalfClosed(t *testing.T) {
	t.Parallel()
	w := start(t, storetest.New(t, "sqlite"), rostertest.Options{Timeouts: unhurried()})
	body := emails(ann)
	conn := w.dial().send(w.head(contentLength(len(body))) + body)
	if err := conn.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	w.compare(conn.answer(), http.StatusOK, removed, nil)
	w.closed(conn)
}
