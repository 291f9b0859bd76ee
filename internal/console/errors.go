package console

import (
	"context"
	"errors"
	"net/http"

	"roster/internal/directory"
	"roster/internal/roster"
	"roster/internal/web"
)

// pageError is an error as it is shown to people.
type pageError struct {
	status int
	title  string
	text   string
}

func (e *pageError) Error() string { return e.title }

// Errors of requests.
var (
	errNoPage      = &pageError{404, "Page not found", "There is nothing at this address. It may have been deleted, or the link is wrong."}
	errNoMethod    = &pageError{405, "Not possible like this", "This address does something else. Go back and use the buttons of the page."}
	errPlain       = &pageError{403, "The console needs HTTPS", "Passwords must not travel in the clear. Serve with --tls-cert and --tls-key, or put a proxy with a certificate in front and name it in --trusted-proxies. Without encryption the console works on the server itself alone, at 127.0.0.1 or localhost."}
	errForeign     = &pageError{403, "Refused", "This request came from another site. Nothing was done. Open the console and try again there."}
	errForm        = &pageError{400, "The form cannot be read", "It is too large or damaged. Nothing was done."}
	errDenied      = &pageError{403, "No access", "Your roles in this account do not allow this. Ask who administers it."}
	errOver        = &pageError{410, "Not possible any more", ""}
	errLink        = &pageError{410, "This link cannot be used any more", "It was used, or is older than an hour. Ask who runs the server for another: roster console link."}
	errConflict    = &pageError{409, "Not possible now", ""}
	errInvalid     = &pageError{422, "That cannot be done", ""}
	errTooMany     = &pageError{429, "Too many attempts", "Too many sign-ins from your network failed. Wait a few minutes and try again."}
	errInternal    = &pageError{500, "Something went wrong", "The server could not do this. Nothing is known to be lost. Try again; if it stays so, tell who runs the server, with the number below."}
	errUnavailable = &pageError{503, "Not available at the moment", "The database is busy or out of reach. Try again in a moment."}
)

// pageErrors maps the kinds of error below this door, in one place. Where own is
// set, the text of the error itself is fit to be shown.
var pageErrors = []struct {
	kind error
	page *pageError
	own  bool
}{
	{directory.ErrDenied, errDenied, false},
	{directory.ErrNotFound, errNoPage, false},
	{directory.ErrGone, errOver, true},
	{directory.ErrState, errConflict, true},
	{directory.ErrExists, errConflict, true},
	{directory.ErrInvalid, errInvalid, true},
	{roster.ErrNoSession, errDenied, false},
	{directory.ErrUnavailable, errUnavailable, false},
	{context.DeadlineExceeded, errUnavailable, false},
	{context.Canceled, errUnavailable, false},
}

func toPage(err error) *pageError {
	if page, ok := errors.AsType[*pageError](err); ok {
		return page
	}
	for _, m := range pageErrors {
		if errors.Is(err, m.kind) {
			if m.own {
				return &pageError{m.page.status, m.page.title, sentence(err.Error())}
			}
			return m.page
		}
	}
	return errInternal
}

// fail shows an error. What the page does not say goes to the log.
func (q *request) fail(err error) {
	page := toPage(err)
	web.SetWhy(q.r.Context(), page.title)
	id := web.RequestID(q.r.Context())
	switch page.status {
	case http.StatusInternalServerError:
		q.log.Error("internal error", "requestId", id, "error", err)
	case http.StatusServiceUnavailable:
		q.log.Warn("database unavailable", "requestId", id, "error", err)
	}
	web.Drain(q.w, q.r)
	q.render(page.status, "error", page.title, errorView{page.status, page.text, id})
}

type errorView struct {
	Status    int
	Text      string
	RequestID string
}
