package console

import (
	"bytes"
	"embed"
	"html/template"
	"io/fs"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"roster/internal/directory"
)

//go:embed templates
var templateFiles embed.FS

// pages are the templates, each with the layout around it, by name.
type pages map[string]*template.Template

func loadPages(f files) pages {
	funcs := template.FuncMap{
		"static":    f.path,
		"link":      link,
		"stamp":     stamp,
		"day":       day,
		"clock":     clock,
		"iso":       func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"grouped":   grouped,
		"sentence":  sentence,
		"by":        by,
		"roleNames": roleNames,
		"add":       func(a, b int) int { return a + b },
		"why":       whyText,
	}
	layout := template.Must(template.New("").Funcs(funcs).ParseFS(templateFiles, "templates/layout.html", "templates/parts.html", "templates/history.html"))
	found, err := fs.Glob(templateFiles, "templates/*.html")
	if err != nil {
		panic(err) // the pattern is ours
	}
	all := pages{}
	for _, file := range found {
		name := strings.TrimSuffix(strings.TrimPrefix(file, "templates/"), ".html")
		all[name] = template.Must(template.Must(layout.Clone()).ParseFS(templateFiles, file))
	}
	return all
}

// link is a path below the console, of segments that may hold anything.
func link(segments ...string) string {
	path := []string{Root}
	for _, s := range segments {
		path = append(path, url.PathEscape(s))
	}
	return strings.Join(path, "/")
}

// stamp is a time as people read it, the same for all of them.
func stamp(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return day(t) + ", " + clock(t)
}

// day and clock are the parts of a stamp.
func day(t time.Time) string   { return t.UTC().Format("2 Jan 2006") }
func clock(t time.Time) string { return t.UTC().Format("15:04 UTC") }

// grouped is a number with its thousands apart.
func grouped(n int) string {
	text := strconv.Itoa(n)
	for at := len(text) - 3; at > 0; at -= 3 {
		text = text[:at] + "," + text[at:]
	}
	return text
}

// sentence makes an error's text one that a page can show. What begins with an
// address or an id stays as it is written.
func sentence(text string) string {
	text = strings.TrimSuffix(text, ".") + "."
	if word, _, _ := strings.Cut(text, " "); strings.ContainsFunc(word, func(r rune) bool { return r == '@' || unicode.IsDigit(r) }) {
		return text
	}
	first, size := utf8.DecodeRuneInString(text)
	return string(unicode.ToUpper(first)) + text[size:]
}

// view is what every template gets.
type view struct {
	Title string
	Page  string // name of the template
	// Session is of whoever looks; In is nil where they are in no account.
	Session directory.Session
	In      *directory.Membership
	Signed  bool
	Flash   string
	Data    any
}

// MaySee reports whether whoever looks may look at what needs the right.
func (v view) MaySee(right directory.Right) bool {
	return v.In != nil && v.In.Rights.Allow(right.See())
}

// MayChange is the same for changing it.
func (v view) MayChange(right directory.Right) bool {
	return v.In != nil && v.In.Rights.Allow(right.Change())
}

// InApps reports whether the page is about apps.
func (v view) InApps() bool {
	return slices.Contains([]string{"apps", "app", "appform", "appdelete", "secret", "secretform", "retire", "token"}, v.Page)
}

// InUsers reports whether the page is about users who are there.
func (v view) InUsers() bool { return v.Page == "users" || v.Page == "user" }

// InImport reports whether the page is about importing users.
func (v view) InImport() bool {
	return slices.Contains([]string{"import", "importpreview"}, v.Page)
}

// InRemove reports whether the page is about removing users.
func (v view) InRemove() bool { return v.Page == "remove" || v.Page == "removepreview" }

// InRemovals reports whether the page is about removals that were made.
func (v view) InRemovals() bool {
	return slices.Contains([]string{"removals", "removal", "restore", "restored"}, v.Page)
}

// Role is what the person is in the account, in a word or two.
func (v view) Role() string {
	if v.In.Rights.Owner {
		return "Owner"
	}
	return strings.Join(v.In.Rights.Roles, ", ")
}

// render answers with a page. It is made as a whole first, so that a mistake in a
// template is an error and not half a page.
func (q *request) render(status int, page, title string, data any) {
	v := view{Title: title, Page: page, Session: q.session, In: q.session.In, Signed: q.token != "", Flash: q.takeFlash(), Data: data}
	var out bytes.Buffer
	if err := q.pages[page].ExecuteTemplate(&out, "layout", v); err != nil {
		q.log.Error("template", "page", page, "error", err)
		http.Error(q.w, "Something went wrong on the server.", http.StatusInternalServerError)
		return
	}
	q.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	q.w.WriteHeader(status)
	_, _ = q.w.Write(out.Bytes()) // the browser is gone
}

// show is render for a page that is as it was asked for.
func (q *request) show(page, title string, data any) error {
	q.render(http.StatusOK, page, title, data)
	return nil
}

// flashes are what the page after a redirect may say was done. The cookie holds
// the key, so that nobody can put words into the page.
var flashes = map[string]string{
	"password-set":          "Your password is set. Sign in with it.",
	"signed-out":            "You are signed out.",
	"session-over":          "Your session is over. Sign in again.",
	"session-ended":         "The session is ended.",
	"user-activate":         "The user is active.",
	"user-suspend":          "The user is suspended. They cannot enter the console of this account until somebody activates them.",
	"user-unlock":           "The user is unlocked, and active.",
	"user-same":             "Nothing was changed: it was so already.",
	"sessions-ended":        "Their sessions in this account are ended.",
	"sessions-none":         "They had no session in this account any more.",
	"users-imported":        "The users of the table are imported, as the preview said.",
	"users-restored":        "Those users are restored, as they were.",
	"restoration-cancelled": "The restoration is cancelled. Users whom it restored stay restored, and the others can be restored later.",
	"removal-cancelled":     "The removal is cancelled. Users whom it removed stay removed and can be restored.",

	"app-saved":      "The app is saved. It holds from its next call on.",
	"app-same":       "Nothing was changed.",
	"app-enabled":    "The app is enabled. It can call again.",
	"app-disabled":   "The app is disabled. All its calls are refused from now on.",
	"app-deleted":    "The app is deleted.",
	"app-made":       "This app was made already. Its secret was shown then, and cannot be shown again.",
	"secret-retired": "The secret is retired. Tokens that it signed are refused from now on.",
	"secret-added":   "This secret was added already. It was shown then, and cannot be shown again.",
}

// done redirects to a page that says what was done.
func (q *request) done(flash, path string) error {
	q.setCookie(flashCookie, flash, 60)
	return q.redirect(path)
}

// takeFlash is what the page is to say, once.
func (q *request) takeFlash() string {
	text, ok := flashes[q.cookie(flashCookie)]
	if ok {
		q.setCookie(flashCookie, "", -1)
	}
	return text
}
