package publicapi_test

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"io"
	"strings"
	"testing"
)

// Requests that are odd, yet not ambiguous. Those that are proper ones remove
// Ann, and the others nobody.
//
//nolint:tparallel // the rows share a server
func TestOddRequests(t *testing.T) {
	t.Parallel()
	gzipped := func(to io.Writer) io.WriteCloser { return gzip.NewWriter(to) }
	deflated := func(to io.Writer) io.WriteCloser { f, _ := flate.NewWriter(to, flate.BestSpeed); return f }
	bomb := coded(gzipped, strings.Repeat(" ", 8*mib))
	checkWire(t, func(w *world) []wire {
		body := emails(ann)
		length := contentLength(len(body))
		request := w.head(length) + body
		line := func(target, version string) string {
			return strings.Replace(request, "/api/public/users HTTP/1.1", target+version, 1)
		}
		target := func(s string) string { return line(s, " HTTP/1.1") }
		gone := []string{ann}
		return []wire{
			{"a proper one", request, []int{200}, gone},
			{"to a full URL", target("http://roster/api/public/users"), []int{200}, gone},
			{"to a full URL of another host", target("http://elsewhere/api/public/users"), []int{200}, gone},
			{"to a full URL of no host", target("http:///api/public/users"), []int{200}, gone},
			{"to a full URL without a path", target("http://roster"), []int{404}, nil},
			{"to two slashes", target("//api/public/users"), []int{404}, nil},
			{"to two slashes within", target("/api//public/users"), []int{404}, nil},
			{"to a dot", target("/api/public/./users"), []int{404}, nil},
			{"to two dots", target("/api/public/users/../users"), []int{404}, nil},
			{"to an escaped dot", target("/api/public/%2e/users"), []int{404}, nil},
			{"to an escaped slash", target("/api/public%2fusers"), []int{404}, nil},
			{"to an escaped slash at the end", target("/api/public/users%2f"), []int{404}, nil},
			{"to an escaped letter", target("/api/public/user%73"), []int{404}, nil},
			{"to an escaped letter outside of the API", target("/health%7a"), []int{404}, nil},
			{"to half an escape", target("/api/public/users%2"), []int{400}, nil},
			{"to an escaped NUL", target("/api/public/users%00"), []int{404}, nil},
			{"to a semicolon", target("/api/public/users;x"), []int{404}, nil},
			{"to a backslash", target(`\api\public\users`), []int{400}, nil},
			{"to no slash", target("api/public/users"), []int{400}, nil},
			{"to a host", target("roster:80"), []int{404}, nil},
			{"to an asterisk", target("*"), []int{404}, nil},
			{"to a fragment", target("/api/public/users#x"), []int{404}, nil},
			{"to nothing", line("", " HTTP/1.1"), []int{400}, nil},
			{"to a blank path", line(" ", " HTTP/1.1"), []int{400}, nil},

			{"by HTTP/1.0", line("/api/public/users", " HTTP/1.0"), []int{200}, gone},
			{"by HTTP/0.9", line("/api/public/users", ""), []int{400}, nil},
			{"by HTTP/1.2", line("/api/public/users", " HTTP/1.2"), []int{200}, gone},
			{"by HTTP/2.0 in the form of 1.1", line("/api/public/users", " HTTP/2.0"), []int{505}, nil},
			{"by HTTP/3", line("/api/public/users", " HTTP/3"), []int{400}, nil},
			{"by http/1.1", line("/api/public/users", " http/1.1"), []int{400}, nil},
			{"by HTTP/2 without TLS", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + request, []int{404}, nil},
			{"with an upgrade to HTTP/2", w.head(length, "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__") + body, []int{200}, gone},
			{"by TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + strings.Repeat("\x00", 64), []int{400}, nil},

			{"that expects 100", w.head(length, "Expect: 100-continue") + body, []int{100, 200}, gone},
			{"that expects more", w.head(length, "Expect: 200-ok") + body, []int{417}, nil},
			{"that expects 100 without a body", w.head("Expect: 100-continue"), []int{400}, nil},
			{"that expects 100 without a token", strings.Replace(w.head(length, "Expect: 100-continue"), "auth:", "x:", 1), []int{401}, nil},

			{"in gzip", w.encoded("gzip", coded(gzipped, body)), []int{415}, nil},
			{"in deflate", w.encoded("deflate", coded(deflated, body)), []int{415}, nil},
			{"in br", w.head("Content-Encoding: br", length) + body, []int{415}, nil},
			{"in identity", w.head("Content-Encoding: Identity", length) + body, []int{200}, gone},
			{"in identity and gzip", w.head("Content-Encoding: identity", "Content-Encoding: gzip", length) + body, []int{415}, nil},
			{"of two content types", w.head("Content-Type: text/plain", length) + body, []int{415}, nil},
			{"in gzip that grows without end", w.encoded("gzip", bomb), []int{415}, nil},

			{"with a header of 1 MiB", w.head("X: "+strings.Repeat("x", 1*mib), length) + body, []int{431}, nil},
			{"with 10,000 headers", w.head(strings.Repeat("X: y\r\n", 20_000)+"X: y", length) + body, []int{431}, nil},
			{"with a target of 1 MiB", target("/" + strings.Repeat("x", 1*mib)), []int{431}, nil},
			{"with a header of 60 KiB", w.head("X: "+strings.Repeat("x", 60<<10), length) + body, []int{200}, gone},
			{"with chunk extensions of 1 MiB", w.head(chunkedBody) + strings.Replace(chunked(body), "\r\n", ";"+strings.Repeat("x", 1*mib)+"\r\n", 1), []int{400}, nil},
			{"with a chunk extension for every byte", w.head(chunkedBody) + extended(body), []int{400}, nil},
			{"with a trailer of 1 MiB", w.head(chunkedBody) + strings.TrimSuffix(chunked(body), "\r\n") + "X: " + strings.Repeat("x", 1*mib) + "\r\n\r\n", []int{400}, nil},
			{"of nothing", "", nil, nil},
			{"of line ends", strings.Repeat("\r\n", 1000), []int{400}, nil},
			{"of NULs", strings.Repeat("\x00", 1000), []int{400}, nil},
			{"of half a header", request[:60], []int{400}, nil},
		}
	})
}

// coded is a body that went through an encoder.
func coded(encoder func(io.Writer) io.WriteCloser, body string) string {
	var b bytes.Buffer
	e := encoder(&b)
	io.WriteString(e, body)
	e.Close()
	return b.String()
}

// encoded is a request with a body of that encoding.
func (w *world) encoded(name, body string) string {
	return w.head("Content-Encoding: "+name, contentLength(len(body))) + body
}

// extended is a body in chunks of a byte, each with 1 KiB that nobody reads.
func extended(body string) string {
	var b strings.Builder
	for i := range len(body) {
		b.WriteString("1;" + strings.Repeat("x", 1<<10) + "\r\n" + body[i:i+1] + "\r\n")
	}
	return b.String() + "0\r\n\r\n"
}
