package directory

import (
	"errors"
	"fmt"
)

// Kinds of failure. A layer wraps one of them with the text that names what
// was wrong; the doors map the kind to their own status and nothing else.
var (
	// ErrInvalid says that a value breaks a rule of its field.
	ErrInvalid = errors.New("invalid")
	// ErrNotFound says that the named thing is not in the account.
	ErrNotFound = errors.New("not found")
	// ErrExists says that a unique name, address or id is taken.
	ErrExists = errors.New("already exists")
	// ErrState says that the thing is not in a state in which this can be done to it.
	ErrState = errors.New("not possible now")
	// ErrGone says that what was asked for was possible once, and never will be
	// again.
	ErrGone = errors.New("not possible any more")
	// ErrDenied says that the caller lacks the right to do this.
	ErrDenied = errors.New("permission denied")
	// ErrUnavailable says that the database is busy or out of reach and that
	// the same call may succeed later.
	ErrUnavailable = errors.New("unavailable")
	// ErrRunning says that a call with the same idempotency key is still running.
	ErrRunning = errors.New("the same call is still running")
	// ErrKeyReused says that an idempotency key was used with another request.
	ErrKeyReused = errors.New("the idempotency key was used with another request")
	// ErrTooManyJobs says that an account has as many unfinished jobs as it may.
	ErrTooManyJobs = errors.New("too many unfinished jobs")
	// ErrRateLimited says that too many calls were made and that the same call
	// may succeed later; see RateLimitError.
	ErrRateLimited = errors.New("rate limit reached")
)

// Errorf makes an error of a kind whose text is the message alone.
func Errorf(kind error, format string, args ...any) error {
	return &kindError{kind, fmt.Sprintf(format, args...)}
}

type kindError struct {
	kind error
	msg  string
}

func (e *kindError) Error() string { return e.msg }
func (e *kindError) Unwrap() error { return e.kind }
