package publicapi_test

import (
	"bufio"
	"io"
	"math"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"roster/internal/rostertest"
)

// conn is a connection on which a test writes what Go's client would not.
type conn struct {
	t testing.TB
	*net.TCPConn
	r *bufio.Reader
}

func (w *world) dial() *conn {
	w.T.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(w.URL, "http://"))
	if err != nil {
		w.T.Fatal(err)
	}
	w.T.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil { // nothing may hang
		w.T.Fatal(err)
	}
	return &conn{w.T, c.(*net.TCPConn), bufio.NewReader(c)}
}

// head is the head of a DELETE with a good token and these header lines besides.
func (w *world) head(lines ...string) string {
	lines = append([]string{
		"DELETE /api/public/users HTTP/1.1", "Host: roster", "Content-Type: application/json", "auth: " + w.app.Token(nil),
	}, lines...)
	return strings.Join(lines, "\r\n") + "\r\n\r\n"
}

// send writes all of the text. A server that closes the connection meanwhile
// fails the test: that client would never see its answer.
func (c *conn) send(text string) *conn {
	c.t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		c.t.Fatalf("send the request: %v", err)
	}
	return c
}

// answer reads the answer to a DELETE.
func (c *conn) answer() rostertest.Answer {
	c.t.Helper()
	got, err := c.read(math.MaxInt64)
	if err != nil {
		c.t.Fatalf("read the answer: %v", err)
	}
	return got
}

// read reads the answer to a DELETE and keeps so much of its body. It may be
// called by any goroutine.
func (c *conn) read(most int64) (rostertest.Answer, error) {
	resp, err := http.ReadResponse(c.r, &http.Request{Method: http.MethodDelete})
	if err != nil {
		return rostertest.Answer{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, most))
	if err == nil {
		_, err = io.Copy(io.Discard, resp.Body)
	}
	return rostertest.Answer{Status: resp.StatusCode, Header: resp.Header, Body: string(body)}, err
}

func contentLength(n int) string { return "Content-Length: " + strconv.Itoa(n) }

const chunkedBody = "Transfer-Encoding: chunked"

// chunked is a body in chunks of 64 KiB, the last one included.
func chunked(body string) string {
	var b strings.Builder
	for body != "" {
		n := min(len(body), 64<<10)
		b.WriteString(strconv.FormatInt(int64(n), 16) + "\r\n" + body[:n] + "\r\n")
		body = body[n:]
	}
	return b.String() + "0\r\n\r\n"
}

// errReset is how a connection ends whose server had not read everything.
var errReset = syscall.ECONNRESET
