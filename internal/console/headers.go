package console

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// policy lets a page load our own style, script and pictures, ask us and post to
// us, and nothing else.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; " +
	"frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'"

func setHeaders(h http.Header) {
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Frame-Options", "DENY")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
	h.Set("Cache-Control", "no-store")
}

// Names of cookies. A browser takes one that begins with __Host- from this host
// alone, by HTTPS alone, and for all of its paths.
const (
	hostPrefix    = "__Host-"
	sessionCookie = "roster-session"
	flashCookie   = "roster-flash"
)

// private reports whether what is sent stays between browser and server: it is
// encrypted, or does not leave the machine. The name that was asked for must be
// this machine's too: behind another a proxy may stand, or a stranger's page.
func (q *request) private() bool {
	if q.options.Proxies.HTTPS(q.r) {
		return true
	}
	host := q.r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	named, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return (host == "localhost" || err == nil && named.IsLoopback()) && q.options.Proxies.Client(q.r).IsLoopback()
}

// cookieName is a cookie's name as this request's transport allows it.
func (q *request) cookieName(name string) string {
	if q.options.Proxies.HTTPS(q.r) {
		return hostPrefix + name
	}
	return name
}

// cookie is a cookie's value, empty for none. Of two with the name one is not
// ours, so none counts.
func (q *request) cookie(name string) string {
	found := q.r.CookiesNamed(q.cookieName(name))
	if len(found) != 1 {
		return ""
	}
	return found[0].Value
}

// setCookie sets a cookie for so many seconds, 0 for as long as the browser runs,
// or takes it away with fewer.
func (q *request) setCookie(name, value string, seconds int) {
	http.SetCookie(q.w, &http.Cookie{ //nolint:gosec // Secure wherever it leaves this machine
		Name: q.cookieName(name), Value: value, Path: "/", MaxAge: seconds,
		HttpOnly: true, SameSite: http.SameSiteLaxMode,
		Secure: q.options.Proxies.HTTPS(q.r), // see private
	})
}
