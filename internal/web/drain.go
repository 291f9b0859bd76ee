package web

import (
	"io"
	"net/http"
	"time"
)

// drainBytes bounds what is read of a body nobody wants.
const drainBytes = 64 << 20

// Drain reads away the rest of a request's body, within bounds, before it is
// refused: a client that is still sending would otherwise see a broken
// connection in place of the answer. A client that waits for "100 Continue"
// has sent nothing and is not asked to.
func Drain(w http.ResponseWriter, r *http.Request) {
	body, ok := r.Body.(*trackedBody)
	if !ok || (!body.touched && r.Header.Get("Expect") != "") {
		return
	}
	rc := http.NewResponseController(w)
	if err := rc.SetReadDeadline(time.Now().Add(requestInfo(r.Context()).drain)); err != nil {
		return
	}
	if _, err := io.CopyN(io.Discard, r.Body, drainBytes); err != io.EOF { //nolint:errorlint // io.CopyN says EOF plainly
		w.Header().Set("Connection", "close")
	}
}

// trackedBody knows whether anybody has read from it.
type trackedBody struct {
	io.ReadCloser
	touched bool
}

func (b *trackedBody) Read(p []byte) (int, error) {
	b.touched = true
	return b.ReadCloser.Read(p)
}

func track(r *http.Request) {
	if r.Body != nil && r.Body != http.NoBody {
		r.Body = &trackedBody{ReadCloser: r.Body}
	}
}
