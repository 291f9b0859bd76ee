package publicapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/web"
)

// wireError is a request-level error as it stands on the wire.
type wireError struct {
	status int
	msg    string
	code   int
}

func (e *wireError) Error() string { return e.msg }

// codeCredentials is the code of every credential and scope error.
const codeCredentials = 4002

// Request-level errors, to the letter of the contract.
var (
	errUnknownPath   = &wireError{404, "Not Found", 404}
	errMethod        = &wireError{405, "Method Not Allowed", 405}
	errMediaType     = &wireError{415, "Unsupported Media Type", 415}
	errJSON          = &wireError{400, "Invalid JSON", 400}
	errValidation    = &wireError{412, "Validation errors/ Invalid arguments", 412}
	errRateLimit     = &wireError{429, "Rate limit for this API has been reached. Please try again after some time.", 429}
	errKeyRunning    = &wireError{409, "A request with this Idempotency-Key is still running", 409}
	errKeyReused     = &wireError{422, "Idempotency-Key was used with another request", 422}
	errGone          = &wireError{410, "Removal can no longer be restored", 410}
	errRunning       = &wireError{409, "Removal is still running", 409}
	errOver          = &wireError{409, "Removal is over and can no longer be cancelled", 409}
	errJobAtomic     = &wireError{400, "A job (Prefer: respond-async) cannot be atomic", 400}
	errJobDryRun     = &wireError{400, "A job (Prefer: respond-async) cannot be a dry run", 400}
	errManyJobs      = &wireError{429, "Too many jobs of this account are unfinished. Please try again after some time.", 429}
	errInvalidValues = &wireError{403, "Invalid values in the body", 403}
	errUnknownEmails = &wireError{400, "One or more entered emails not found", 400}
	errTimeout       = &wireError{408, "Request Timeout", 408}
	errInternal      = &wireError{500, "Internal Server Error", 500}
	errUnavailable   = &wireError{503, "Service Unavailable", 503}

	errCredentials = &wireError{401, "Invalid SDK credentials", codeCredentials}
	errMalformed   = &wireError{401, "Invalid JWT token", codeCredentials}
	errScope       = &wireError{401, "Permission denied. Scope is incorrect!", codeCredentials}
	errExpired     = &wireError{401, "error verifying the jwt: jwt expired", 401}
	errNotActive   = &wireError{401, "error verifying the jwt: jwt not active", 401}

	errNoExpiry    = &wireError{401, `error verifying the jwt: "exp" claim is required`, 401}
	errNoJTI       = &wireError{401, `error verifying the jwt: "jti" claim is required`, 401}
	errJTILifetime = &wireError{401, `error verifying the jwt: if "jti" claim "exp" must be <= 1 hour(s)`, 401}
	errReplayed    = &wireError{401, "error verifying the jwt: possibly a replay", 401}

	// errSpool marks an error of writing down the list of a job.
	errSpool = errors.New("the list of a job was not written down")

	errOverload = errors.New("the calls that are being handled hold as much as they may: see --max-bodies")
)

func errEmptyList(key string) error {
	return &wireError{400, key + " cannot be empty", 400}
}

func errTooMany(limit int) error {
	return &wireError{413, fmt.Sprintf("Too many users in one call: the limit is %d. Send them in several calls, or as a job (Prefer: respond-async).", limit), 413}
}

func errTooManyForJob(limit int) error {
	return &wireError{413, fmt.Sprintf("Too many users in one job: the limit is %d. Send them in several jobs.", limit), 413}
}

func errTooLarge(limit int64) error {
	return &wireError{413, fmt.Sprintf("Request body is too large: the limit is %d bytes.", limit), 413}
}

// wireErrors maps the kinds of error below this door, in one place.
var wireErrors = []struct {
	kind error
	wire *wireError
}{
	{auth.ErrCredentials, errCredentials},
	{auth.ErrMalformed, errMalformed},
	{auth.ErrScope, errScope},
	{auth.ErrExpired, errExpired},
	{auth.ErrNotActive, errNotActive},
	{auth.ErrNoExpiry, errNoExpiry},
	{auth.ErrNoJTI, errNoJTI},
	{auth.ErrJTILifetime, errJTILifetime},
	{auth.ErrReplayed, errReplayed},
	{directory.ErrGone, errGone},
	{directory.ErrRunning, errKeyRunning},
	{directory.ErrKeyReused, errKeyReused},
	{directory.ErrTooManyJobs, errManyJobs},
	{directory.ErrRateLimited, errRateLimit},
	{directory.ErrUnavailable, errUnavailable},
	{context.DeadlineExceeded, errUnavailable},
	{errOverload, errUnavailable},
}

func toWire(err error) *wireError {
	if wire, ok := errors.AsType[*wireError](err); ok {
		return wire
	}
	for _, m := range wireErrors {
		if errors.Is(err, m.kind) {
			return m.wire
		}
	}
	return errInternal
}

// unknownID turns the error of a verb that does not find what the path names
// into that of an unknown path. It forgets the id, which may be anything: the
// log shows no text of a stranger's choice.
func unknownID(err error) error {
	if errors.Is(err, directory.ErrNotFound) {
		return errUnknownPath
	}
	return err
}

// retryAfter is how long a client should wait when the store is busy or
// down, or there are too many calls at once.
const retryAfter = 5 * time.Second

// jobRetryAfter is how long a client should wait that has too many jobs.
const jobRetryAfter = time.Minute

// fail answers a request that was refused. What the wire does not say goes to
// the log.
func (a *API) fail(w http.ResponseWriter, r *http.Request, err error) {
	wire := toWire(err)
	web.SetWhy(r.Context(), err.Error())
	if refusal, ok := errors.AsType[*auth.Refusal](err); ok {
		web.AddLog(r.Context(), slog.String("reason", string(refusal.Reason)))
		a.roster.NoteRefusal(refusal, web.RequestID(r.Context()))
	}
	switch wire.status {
	case http.StatusUnauthorized:
		wire = a.failed(w, r, wire)
	case http.StatusTooManyRequests:
		a.logClient(r)
		if limited, ok := errors.AsType[*directory.RateLimitError](err); ok {
			setQuota(w.Header(), limited.Quota)
			setRetryAfter(w.Header(), limited.RetryAfter)
		} else {
			setRetryAfter(w.Header(), jobRetryAfter)
		}
	case http.StatusInternalServerError:
		a.log.Error("internal error", "requestId", web.RequestID(r.Context()), "error", err)
	case http.StatusServiceUnavailable:
		event := "database unavailable"
		if errors.Is(err, errOverload) {
			event = "too many calls at once"
		}
		a.log.Warn(event, "requestId", web.RequestID(r.Context()), "error", err)
		setRetryAfter(w.Header(), retryAfter)
	}
	web.Drain(w, r)
	writeError(w, wire)
}

func writeError(w http.ResponseWriter, e *wireError) {
	body := []byte(`{"errors":[{"msg":`)
	body, _ = jsontext.AppendQuote(body, e.msg)
	body = append(body, `,"code":`...)
	body = strconv.AppendInt(body, int64(e.code), 10)
	body = append(body, `}]}`...)
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(e.status)
	_, _ = w.Write(body) // the client is gone
}

// OnPanic answers after a panic; see web.Wrap.
func OnPanic(w http.ResponseWriter, _ *http.Request) { writeError(w, errInternal) }

// NotFound answers for every path that no door knows.
func NotFound(w http.ResponseWriter, r *http.Request) {
	web.Drain(w, r)
	writeError(w, toWire(noRoute(r)))
}

// body reads a request's body up to a limit, lets held pay for it, and remembers
// what ended it.
type body struct {
	r     io.Reader
	held  *holding
	left  int64
	limit int64
	err   error // other than io.EOF
}

func newBody(r io.Reader, limit int64, held *holding) *body {
	return &body{r: r, held: held, left: limit, limit: limit}
}

func (b *body) Read(p []byte) (int, error) {
	if b.left == 0 {
		// One byte more tells a body of just the limit from a larger one.
		var one [1]byte
		n, err := io.ReadFull(b.r, one[:])
		if n > 0 {
			b.err = errTooLarge(b.limit)
			return 0, b.err
		}
		return 0, b.note(err)
	}
	n, err := b.r.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	if full := b.held.addBytes(n); full != nil {
		return 0, b.note(full)
	}
	return n, b.note(err)
}

// empty says that there was no body, once it has been read to its end.
func (b *body) empty() bool { return b.left == b.limit && b.err == nil }

func (b *body) note(err error) error {
	if err != nil && !errors.Is(err, io.EOF) {
		b.err = err
	}
	return err
}
