package publicapi_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"roster/internal/rostertest"
	"roster/internal/storetest"
)

// Contract 3.2: a client that hangs up after its body has arrived changes
// nothing about it. The removal is held in the middle of its transaction while
// the client goes, politely or not.
func TestClientHangsUp(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		reached, goOn := make(chan struct{}), make(chan struct{})
		w := start(t, dsn, rostertest.Options{Trace: func(query string) {
			if strings.HasPrefix(query, "INSERT INTO removals") {
				reached <- struct{}{}
				<-goOn
			}
		}})
		body := emails(ann)
		for _, hangUp := range []func(*conn) error{
			func(c *conn) error { return c.Close() },
			func(c *conn) error { return c.CloseWrite() },
			func(c *conn) error { // a reset
				if err := c.SetLinger(0); err != nil {
					return err
				}
				return c.Close()
			},
		} {
			conn := w.dial().send(w.head(contentLength(len(body)), "X-Request-Id: hung-up") + body)
			<-reached
			if err := hangUp(conn); err != nil {
				t.Fatal(err)
			}
			for range 50 { // the server sees meanwhile that the client is gone
				w.Do(rostertest.Request{Method: http.MethodGet, Path: "/healthz"})
			}
			if !slices.Contains(w.Members(w.account), ann) {
				t.Error("Ann is gone before the removal was committed")
			}
			goOn <- struct{}{}
			eventually(t, "the removal", func() bool { return !slices.Contains(w.Members(w.account), ann) })
			if line := w.accessLine("hung-up"); line["status"] != 200.0 || line["removed"] != 1.0 {
				t.Errorf("logged as %v", line)
			}
			w.recast()
		}
	})
}

// A client that hangs up while its call is let in, one that the server notices
// at once since it sent no body, changes nothing about that either: it is no
// fault of the server.
func TestClientHangsUpWhileItIsLetIn(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		reached, goOn := make(chan struct{}), make(chan struct{})
		w := start(t, dsn, rostertest.Options{Trace: func(query string) {
			if strings.Contains(query, "INSERT INTO used_tokens") {
				reached <- struct{}{}
				<-goOn
			}
		}})
		token := w.app.Token(jwt.MapClaims{"jti": "once", "exp": time.Now().Add(time.Minute).Unix()})
		conn := w.dial().send("DELETE /api/public/users HTTP/1.1\r\nHost: x\r\nX-Request-Id: hung-up\r\nauth: " + token + "\r\n\r\n")
		<-reached
		if err := conn.Close(); err != nil {
			t.Fatal(err)
		}
		for range 50 { // the server sees meanwhile that the client is gone
			w.Do(rostertest.Request{Method: http.MethodGet, Path: "/healthz"})
		}
		close(goOn)
		if line := w.accessLine("hung-up"); line["status"] != 400.0 {
			t.Errorf("logged as %v", line)
		}
	})
}
