// Package web is the HTTP plumbing that the doors share: request ids, the
// access log, recovery from panics, deadlines, and reading away what a client
// still sends after its request has been refused. It knows no route and no
// verb.
//
// What it logs never holds a path, a query, a token or an e-mail address: a route
// is named by its pattern.
package web

import (
	"context"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/google/uuid"
)

// HeaderRequestID carries the id under which a request stands in the log.
const HeaderRequestID = "X-Request-Id"

// Timeouts bound how long a client may take.
type Timeouts struct {
	// Answer is for reading the answer, counted from its first byte.
	Answer time.Duration
	// Drain is for sending the rest of a body that is refused: see Drain.
	Drain time.Duration
}

type contextKey int

const infoKey contextKey = 0

// info is what the access log knows of a request besides the request itself.
type info struct {
	id    string
	route string
	why   string
	attrs []slog.Attr
	drain time.Duration
}

func requestInfo(ctx context.Context) *info {
	i, _ := ctx.Value(infoKey).(*info)
	if i == nil {
		return &info{}
	}
	return i
}

// RequestID returns the id of the request.
func RequestID(ctx context.Context) string { return requestInfo(ctx).id }

// SetRoute names the request's route for the access log.
func SetRoute(ctx context.Context, route string) { requestInfo(ctx).route = route }

// SetWhy tells the access log why a request was refused. It is for the
// operator, and must name no person.
func SetWhy(ctx context.Context, why string) { requestInfo(ctx).why = why }

// AddLog adds to the request's line in the access log.
func AddLog(ctx context.Context, attrs ...slog.Attr) {
	i := requestInfo(ctx)
	i.attrs = append(i.attrs, attrs...)
}

// StatusAborted stands in the log and the metrics for an answer that the server cut
// off after it had begun, since the rest could not be made: the client got a part,
// whatever status it began with.
const StatusAborted = 599

// Observe is told of each request when it is over: its method, "other" for one
// that HTTP does not know, its route, empty for an unknown path, the status of
// the answer, StatusAborted for one that was cut off, and how long it took.
type Observe func(method, route string, status int, took time.Duration)

// Wrap puts the plumbing around a door: every answer gets a request id, every
// request a line in the log, every client its time-outs, and a panic becomes
// what onPanic answers. observe may be nil.
func Wrap(next http.Handler, log *slog.Logger, limits Timeouts, onPanic http.HandlerFunc, observe Observe) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		started := time.Now()
		in := &info{id: r.Header.Get(HeaderRequestID), drain: limits.Drain}
		if !validRequestID(in.id) {
			in.id = uuid.NewString()
		}
		r = r.WithContext(context.WithValue(r.Context(), infoKey, in))
		track(r)
		w.Header().Set(HeaderRequestID, in.id)
		closeIfChunked(w, r)
		rec := &recorder{ResponseWriter: w, timeout: limits.Answer}
		defer func() {
			v := recover()
			aborted := v == http.ErrAbortHandler //nolint:errorlint // a sentinel by contract of net/http
			if v != nil && !aborted {
				log.Error("panic", "requestId", in.id, "panic", v, "stack", string(debug.Stack()))
				if rec.status == 0 {
					onPanic(rec, r)
				}
			}
			took := time.Since(started)
			status := rec.status
			if aborted {
				status = StatusAborted
			}
			logRequest(log, r, in, rec, status, took)
			if observe != nil {
				observe(methodName(r.Method), in.route, status, took)
			}
			if aborted {
				panic(v) // net/http cuts the connection
			}
		}()
		next.ServeHTTP(rec, r)
	})
}

// closeIfChunked ends the connection after a chunked request by HTTP/1.1. It
// may have had a Content-Length as well, which net/http ignores and hides: what
// comes next may then be a body to whoever sent it on, and RFC 9112, section
// 6.3, wants the connection closed.
func closeIfChunked(w http.ResponseWriter, r *http.Request) {
	if len(r.TransferEncoding) > 0 {
		w.Header().Set("Connection", "close")
	}
}

func logRequest(log *slog.Logger, r *http.Request, in *info, rec *recorder, status int, took time.Duration) {
	attrs := []slog.Attr{
		slog.String("requestId", in.id),
		slog.String("method", methodName(r.Method)),
		slog.String("route", in.route),
		slog.Int("status", status),
		slog.Int64("bytes", rec.bytes),
		slog.Float64("tookMs", float64(took.Microseconds())/1000),
	}
	if in.why != "" {
		attrs = append(attrs, slog.String("why", in.why))
	}
	log.LogAttrs(context.WithoutCancel(r.Context()), slog.LevelInfo, "request", append(attrs, in.attrs...)...)
}

// methodName keeps text of a stranger's choice out of the log.
func methodName(m string) string {
	switch m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch,
		http.MethodDelete, http.MethodOptions, http.MethodTrace, http.MethodConnect:
		return m
	}
	return "other"
}

// validRequestID takes 1-128 visible ASCII characters.
func validRequestID(id string) bool {
	if id == "" || len(id) > 128 {
		return false
	}
	for i := range len(id) {
		if id[i] <= ' ' || id[i] > '~' {
			return false
		}
	}
	return true
}

// recorder notes what was answered and starts the deadline of the answer.
type recorder struct {
	http.ResponseWriter
	timeout time.Duration
	status  int
	bytes   int64
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
		// Not every connection has deadlines; then the answer has none.
		_ = http.NewResponseController(r.ResponseWriter).SetWriteDeadline(time.Now().Add(r.timeout))
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.WriteHeader(http.StatusOK)
	}
	n, err := r.ResponseWriter.Write(b)
	r.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController reach the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
