package publicapi_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

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
