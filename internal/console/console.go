// Package console is the door for people: the Admin Console at /console, made of
// pages that the server renders and that need no script. It owns cookies, pages,
// their texts and their style, and decides nothing: each request finds its session
// by a verb of package roster, and every page and button is one more verb.
//
// All of what it serves is ours and embedded. Nothing is loaded from elsewhere.
package console

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/roster"
	"roster/internal/web"
)

// Root is the path that all of the console is at or below.
const Root = "/console"

// Options are what a server knows of its surroundings.
type Options struct {
	// Proxies are believed about where requests come from, and whether by HTTPS.
	Proxies web.Proxies
	// Failures are how many sign-ins of one client address may fail; none for
	// any number.
	Failures directory.RateLimits
	// CallTimeout is how long the database may take for a page.
	CallTimeout time.Duration
}

// Bounds of a request.
const (
	maxForm = 64 << 10 // bytes of a posted form
	// formTimeout is for what a form asks for, once it was read.
	formTimeout = 5 * time.Minute
)

// Console serves the Admin Console.
type Console struct {
	roster   *roster.Roster
	log      *slog.Logger
	options  Options
	failures *web.Failures
	origin   *http.CrossOriginProtection
	pages    pages
	files    files
	routes   []route
}

// New makes the door to r.
func New(r *roster.Roster, log *slog.Logger, o Options) *Console {
	c := &Console{
		roster: r, log: log, options: o,
		failures: web.NewFailures(o.Failures), origin: http.NewCrossOriginProtection(),
		files: loadFiles(),
	}
	c.pages = loadPages(c.files)
	c.routes = c.table()
	return c
}

// Has reports whether a path is the console's.
func Has(path string) bool { return path == Root || strings.HasPrefix(path, Root+"/") }

// request is a request that found its route.
type request struct {
	*Console
	w      http.ResponseWriter
	r      *http.Request
	values map[string]string // what stands for {name} in the path

	token   string // of the session
	session directory.Session
	caller  auth.Caller
}

// ServeHTTP implements http.Handler.
func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	setHeaders(w.Header())
	ctx, cancel := context.WithTimeout(r.Context(), c.options.CallTimeout)
	defer cancel()
	q := &request{Console: c, w: w, r: r.WithContext(ctx)}
	if err := q.serve(); err != nil {
		q.fail(err)
	}
}

// serve makes the checks that all pages share: route, encryption, origin of a post,
// session, right, form.
func (q *request) serve() error {
	rt, values, err := q.find(q.r)
	if err != nil {
		return err
	}
	q.values = values
	web.SetRoute(q.r.Context(), rt.pattern)
	if !validForm(q.r.URL.Query()) {
		return errText
	}
	if rt.access == static {
		return rt.handle(q)
	}
	if !q.private() {
		return errPlain
	}
	if err := q.origin.Check(q.r); err != nil {
		return errForeign
	}
	if err := q.identify(); err != nil {
		return err
	}
	switch {
	case rt.access == anyone:
	case q.token == "" && q.cookie(sessionCookie) != "":
		return q.done("session-over", "/sign-in")
	case q.token == "":
		return q.redirect("/sign-in")
	case rt.access == signedIn:
	case q.session.In == nil:
		return q.redirect("/accounts")
	case rt.need.Right != "":
		if err := q.caller.Require(q.session.In.Account.ID, rt.need); err != nil {
			return err
		}
	}
	if q.r.Method == http.MethodPost { // only now: it may be long
		if err := q.parseForm(rt.most); err != nil {
			return errForm
		}
		if !validForm(q.r.PostForm) {
			return errText
		}
		// A browser that leaves changes nothing about what its form asks for.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(q.r.Context()), formTimeout)
		defer cancel()
		q.r = q.r.WithContext(ctx)
	}
	return rt.handle(q)
}

// parseForm reads a posted form of so many bytes at most, in which there may be a file.
func (q *request) parseForm(most int64) error {
	q.r.Body = http.MaxBytesReader(q.w, q.r.Body, most)
	if strings.HasPrefix(q.r.Header.Get("Content-Type"), "multipart/form-data") {
		return q.r.ParseMultipartForm(most) // all of it in memory
	}
	return q.r.ParseForm()
}

// validForm reports whether all of a form, or of a query, is valid text, so that no
// page has to check it.
func validForm(form url.Values) bool {
	for name, values := range form {
		if !directory.ValidText(name) || slices.ContainsFunc(values, func(v string) bool { return !directory.ValidText(v) }) {
			return false
		}
	}
	return true
}

// following is in the query where a page asks by itself how far something has come.
// Nobody has done anything then, so a session that is left alone ends in time.
const following = "follow"

// identify finds the session of a request, if it has one.
func (q *request) identify() error {
	token := q.cookie(sessionCookie)
	if token == "" {
		return nil
	}
	byItself := q.r.Method != http.MethodPost && q.r.URL.Query().Has(following)
	session, err := q.roster.Session(q.r.Context(), token, !byItself)
	if errors.Is(err, roster.ErrNoSession) {
		q.setCookie(sessionCookie, "", -1)
		return nil
	}
	if err != nil {
		return err
	}
	q.token, q.session, q.caller = token, session, auth.PersonCaller(session)
	return nil
}

// redirect sends the browser to a page of the console.
func (q *request) redirect(path string) error {
	http.Redirect(q.w, q.r, Root+path, http.StatusSeeOther)
	return nil
}

// account is the public id of the account that the session is in.
func (q *request) account() string { return q.session.In.Account.PublicID }

// OnPanic answers after a panic; see web.Wrap.
func OnPanic(w http.ResponseWriter, _ *http.Request) {
	http.Error(w, "Something went wrong on the server.", http.StatusInternalServerError)
}
