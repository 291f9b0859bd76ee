package publicapi_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"roster/internal/rostertest"
	"roster/internal/storetest"
)

// wire is what a test writes to a connection, byte for byte, and what comes of
// it: the statuses of all answers until the server closes the connection, and
// who is gone then.
type wire struct {
	says    string
	bytes   string
	answers []int
	gone    []string
}

// exchange writes the bytes, ends its half of the connection and returns the
// statuses of all answers.
func (w *world) exchange(text string) (statuses []int) {
	w.T.Helper()
	conn := w.dial()
	// The server may have had enough before it has read everything.
	_, _ = io.WriteString(conn, text)
	_ = conn.CloseWrite()
	for {
		got, err := conn.read(1024)
		switch {
		case err == nil:
			statuses = append(statuses, got.Status)
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, errReset):
			return statuses
		default:
			w.T.Fatalf("after the answers %v: %v", statuses, err)
		}
	}
}

// checkWire writes what each row has and compares what comes of it. After each
// a good call on another connection is answered. All of it is decided before
// there is a statement for the database, so one engine will do.
func checkWire(t *testing.T, rows func(w *world) []wire) {
	t.Helper()
	w := start(t, storetest.New(t, "sqlite"), rostertest.Options{Timeouts: unhurried()})
	for i := range rows(w) {
		r := rows(w)[i] // for the account at hand
		t.Run(r.says, func(t *testing.T) {
			sub := w.at(t)
			left := slices.DeleteFunc(sub.Members(w.account), func(m string) bool { return slices.Contains(r.gone, m) })
			if got := sub.exchange(r.bytes); !slices.Equal(got, r.answers) {
				t.Errorf("answered by %v, want %v", got, r.answers)
			}
			if now := sub.Members(w.account); !slices.Equal(left, now) {
				t.Errorf("left in the account: %q, want %q", now, left)
			}
			next := fmt.Sprintf("next%d@example.com", i)
			sub.Users(w.account, next)
			sub.compare(sub.Remove(w.app, emails(next)), http.StatusOK, removed, nil)
		})
		if len(r.gone) > 0 || t.Failed() {
			w.recast()
		}
	}
}

// A request that two readers could understand in two ways is refused, and the
// connection closed: what one of them would take for the next request is not
// looked at. Each row holds a removal of Ann whose end is in doubt, and behind
// it one of Bob.
//
//nolint:tparallel // the rows share a server
func TestSmuggling(t *testing.T) {
	t.Parallel()
	checkWire(t, func(w *world) []wire {
		body := emails(ann)
		length := contentLength(len(body))
		next := w.head(contentLength(len(emails(bob)))) + emails(bob)
		both := func(lines ...string) string { return w.head(lines...) + chunked(body) + next }
		within := contentLength(len(body) + len(next))
		refused := []int{400}
		return []wire{
			{"two requests, one after the other", w.head(length) + body + next, []int{200, 200}, []string{ann, bob}},
			{"two requests, the first one chunked", both(chunkedBody), []int{200}, []string{ann}},
			{"a request within a body", w.head(within) + body + next, refused, nil},

			{"Content-Length and Transfer-Encoding", both(contentLength(len(chunked(body))), chunkedBody), []int{200}, []string{ann}},
			{"Transfer-Encoding and Content-Length", both(chunkedBody, contentLength(5)), []int{200}, []string{ann}},
			{"Content-Length 0 and Transfer-Encoding", both(contentLength(0), chunkedBody), []int{200}, []string{ann}},
			{"two Content-Lengths", w.head(length, within) + body + next, refused, nil},
			{"two Content-Lengths in one", w.head(length+", "+within[16:]) + body + next, refused, nil},
			{"two equal Content-Lengths", w.head(length, length) + body + next, []int{200, 200}, []string{ann, bob}},
			{"a negative Content-Length", w.head("Content-Length: -1") + body + next, refused, nil},
			{"a Content-Length with a plus", w.head("Content-Length: +"+length[16:]) + body + next, refused, nil},
			{"a hexadecimal Content-Length", w.head("Content-Length: 0x1d") + body + next, refused, nil},
			{"a Content-Length of blanks", w.head("Content-Length:  ") + body + next, refused, nil},
			{"a Content-Length with a fraction", w.head(length+".0") + body + next, refused, nil},
			{"a Content-Length beyond 64 bits", w.head("Content-Length: 18446744073709551616") + body + next, refused, nil},
			{"a Content-Length too short", w.head(contentLength(len(body)-1)) + body + next, []int{400, 400}, nil},

			{"chunked, identity", both("Transfer-Encoding: chunked, identity"), []int{501}, nil},
			{"identity, chunked", both("Transfer-Encoding: identity, chunked"), []int{501}, nil},
			{"identity", w.head("Transfer-Encoding: identity", length) + body + next, []int{501}, nil},
			{"gzip, chunked", both("Transfer-Encoding: gzip, chunked"), []int{501}, nil},
			{"xchunked", both("Transfer-Encoding: xchunked"), []int{501}, nil},
			{"chunked twice", both(chunkedBody, chunkedBody), []int{501}, nil},
			{"CHUNKED", both("Transfer-Encoding: CHUNKED"), []int{200}, []string{ann}},
			{"a blank before the colon", both("Transfer-Encoding : chunked"), refused, nil},
			{"a blank before the colon of Content-Length", w.head("Content-Length : 5") + body + next, refused, nil},
			{"a vertical tab before chunked", both("Transfer-Encoding: \vchunked"), refused, nil},
			{"chunked on the next line", both("Transfer-Encoding:\r\n chunked"), []int{200}, []string{ann}},
			{"chunked by HTTP/1.0", strings.Replace(both(chunkedBody), "HTTP/1.1", "HTTP/1.0", 1), refused, nil},

			{"chunk lines that end in LF alone", w.head(chunkedBody) + strings.ReplaceAll(chunked(body), "\r\n", "\n") + next, refused, nil},
			{"a header that ends in LF alone", strings.ReplaceAll(w.head(length), "\r\n", "\n") + body + next, []int{200, 200}, []string{ann, bob}},
			{"CR alone", strings.ReplaceAll(w.head(length), "\r\n", "\r") + body + next, refused, nil},
			{"a chunk size with 0x", w.head(chunkedBody) + "0x" + chunked(body) + next, refused, nil},
			{"a chunk size with a plus", w.head(chunkedBody) + "+" + chunked(body) + next, refused, nil},
			{"a negative chunk size", w.head(chunkedBody) + "-1\r\n" + next, refused, nil},
			{"a chunk size beyond 64 bits", w.head(chunkedBody) + "1000000000000001d\r\n" + body + "\r\n0\r\n\r\n" + next, refused, nil},
			{"a chunk longer than its size", w.head(chunkedBody) + "1\r\n" + body + "\r\n0\r\n\r\n" + next, refused, nil},
			{"a chunk extension", w.head(chunkedBody) + strings.Replace(chunked(body), "\r\n", ";a=b\r\n", 1) + next, []int{200}, []string{ann}},
			{"a chunk extension with an LF", w.head(chunkedBody) + strings.Replace(chunked(body), "\r\n", ";\nx\r\n", 1) + next, refused, nil},
			{"a trailer that names a length", w.head(chunkedBody, "Trailer: Content-Length") + strings.TrimSuffix(chunked(body), "\r\n") + within + "\r\n\r\n" + next, refused, nil},
			{"a trailer with another token", w.head(chunkedBody) + strings.TrimSuffix(chunked(body), "\r\n") + "auth: x\r\nTransfer-Encoding: chunked\r\n\r\n" + next, []int{200}, []string{ann}},

			{"a blank in a header's name", w.head("X Y: z", length) + body + next, refused, nil},
			{"a header without a name", w.head(": z", length) + body + next, refused, nil},
			{"a header without a colon", w.head("X", length) + body + next, refused, nil},
			{"NUL in a header's name", w.head("X\x00Y: z", length) + body + next, refused, nil},
			{"NUL in a header's value", w.head("X: y\x00z", length) + body + next, refused, nil},
			{"CR in a header's value", w.head("X: y\rz", length) + body + next, refused, nil},
			{"a folded header", w.head("X: y\r\n z", length) + body + next, []int{200, 200}, []string{ann, bob}},
			{"a folded first header", strings.Replace(w.head(length), "Host", " Host", 1) + body + next, refused, nil},
			{"a blank line before the request", "\r\n" + w.head(length) + body + next, refused, nil},
			{"two Hosts", w.head("Host: other", length) + body + next, refused, nil},
			{"no Host", strings.Replace(w.head(length), "Host: roster\r\n", "", 1) + body + next, refused, nil},
			{"garbage behind the body", w.head(length) + body + "garbage\r\n\r\n" + next, []int{200, 400}, []string{ann}},
		}
	})
}
