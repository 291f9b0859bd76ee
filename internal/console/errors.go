package console

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"roster/internal/directory"
	"roster/internal/roster"
	"roster/internal/web"
)

// pageError is an error as it is shown to people.
type pageError struct {
	status int
	title  string
	text   string
	allow  string // the methods there are, where another was used
}

func (e *pageError) Error() string { return e.title }

// Errors of requests.
var (
	errNoPage      = &pageError{status: 404, title: "Page not found", text: "There is nothing at this address. It may have been deleted, or the link is wrong."}
	errPlain       = &pageError{status: 403, title: "The console needs HTTPS", text: "Passwords must not travel in the clear. Serve with --tls-cert and --tls-key, or put a proxy with a certificate in front and name it in --trusted-proxies. Without encryption the console works on the server itself alone, at 127.0.0.1 or localhost."}
	errForeign     = &pageError{status: 403, title: "Refused", text: "This request came from another site. Nothing was done. Open the console and try again there."}
	errForm        = &pageError{status: 400, title: "The form cannot be read", text: "It is too large or damaged. Nothing was done."}
	errText        = &pageError{status: 400, title: "The form cannot be read", text: "It has characters that are not text, such as a zero byte. Nothing was done. Take them out and try again."}
	errDenied      = &pageError{status: 403, title: "No access", text: "Your roles in this account do not allow this. Ask who administers it."}
	errOver        = &pageError{status: 410, title: "Not possible any more"}
	errLink        = &pageError{status: 410, title: "This link cannot be used any more", text: "It was used, or is older than an hour. Ask who runs the server for another: roster console link."}
	errConflict    = &pageError{status: 409, title: "Not possible now"}
	errInvalid     = &pageError{status: 422, title: "That cannot be done"}
	errTooManyJobs = &pageError{status: 429, title: "Too many removals are running", text: "As many removals of this account as allowed are not finished. Wait until one is, or cancel one. Nothing was done."}
	errInFlight    = &pageError{status: 409, title: "Not possible now", text: "This form was sent before and is still being processed. Wait a moment, then look at the list of removals."}
	errKeyReused   = &pageError{status: 409, title: "Not possible now", text: "This form was sent before with other users. Nothing was done this time. Start again from the list."}
	errRateLimited = &pageError{status: 429, title: "Too many requests", text: "Too many requests were made. Wait a few minutes and try again. Nothing was done."}
	errTooMany     = &pageError{status: 429, title: "Too many attempts", text: "Too many sign-ins from your network failed. Wait a few minutes and try again."}
	errInternal    = &pageError{status: 500, title: "Something went wrong", text: "The server could not do this. Nothing is known to be lost. Try again; if it stays so, tell who runs the server, with the number below."}
	errUnavailable = &pageError{status: 503, title: "Not available at the moment", text: "The database is busy or out of reach. Try again in a moment."}
)

// errNoMethod is that of a method which an address does not have.
func errNoMethod(allowed []string) *pageError {
	return &pageError{
		status: http.StatusMethodNotAllowed, title: "Not possible like this",
		text: "This address does something else. Go back and use the buttons of the page.", allow: strings.Join(allowed, ", "),
	}
}

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
	{directory.ErrRunning, errInFlight, false},
	{directory.ErrKeyReused, errKeyReused, false},
	{directory.ErrTooManyJobs, errTooManyJobs, false},
	{directory.ErrRateLimited, errRateLimited, false},
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
				return &pageError{status: m.page.status, title: m.page.title, text: sentence(err.Error())}
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
	if page.allow != "" {
		q.w.Header().Set("Allow", page.allow)
	}
	web.Drain(q.w, q.r)
	q.render(page.status, "error", page.title, errorView{page.status, page.text, id, q.cameFrom()})
}

type errorView struct {
	Status    int
	Text      string
	RequestID string
	Back      string // address of the page of the console before, empty for none
}

// cameFrom is the address of the page of the console on which a link or a button led
// here, by the browser's word; empty for none.
func (q *request) cameFrom() string {
	from, err := url.Parse(q.r.Referer())
	if err != nil || from.Host != q.r.Host || !Has(from.Path) || from.RequestURI() == q.r.URL.RequestURI() {
		return ""
	}
	return from.RequestURI()
}
