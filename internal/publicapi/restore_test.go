package publicapi_test

import (
	"net/http"
	"testing"

	"roster/internal/rostertest"
	"roster/internal/storetest"
)

const restored = `{"msg":"Users are restored Successfully"}`

// restore sends a restoration with the app's token.
func (w *world) restore(removal, body string) rostertest.Answer {
	w.T.Helper()
	return w.send(rostertest.Request{
		Method: http.MethodPost, Path: "/api/public/users/removals/" + removal + "/restore", Body: body, Token: w.app.Token(nil),
	})
}

// removal removes users and returns its id.
func (w *world) removal(body string) string {
	w.T.Helper()
	return w.Remove(w.app, body).Header.Get("X-Removal-Id")
}

func TestTry(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		w := start(t, dsn, rostertest.Options{})
		id := w.removal(emails(ann, bob, cleo))
		w.compare(w.restore(id, emails("ANN@example.com", "nobody@x.io")), 200, failed(byEmail(`"nobody@x.io"`, noSuchEmail)), nil)
		w.compare(w.restore(id, `{}`), 200, restored, nil)
		w.compare(w.restore(id, `{}`), 200, restored, nil)
		t.Log(w.Members(w.account))
	})
}
