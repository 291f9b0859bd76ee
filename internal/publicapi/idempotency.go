package publicapi

import (
	"hash"
	"io"
	"log/slog"
	"net/http"
	"strings"

	"roster/internal/directory"
	"roster/internal/web"
)

const (
	headerIdempotencyKey = "Idempotency-Key"
	// headerReplayed marks an answer that an earlier call with the key had.
	headerReplayed = "Idempotency-Replayed"
)

// maxIdempotencyKey is how many characters a key may have.
const maxIdempotencyKey = 255

// readIdempotencyKey reads a client's key, empty where there is none. A bare
// value and the quoted string of the draft standard name the same key.
func readIdempotencyKey(h http.Header) (string, error) {
	values, ok := h[headerIdempotencyKey]
	if !ok {
		return "", nil
	}
	if len(values) > 1 {
		return "", errValidation
	}
	key := strings.TrimSpace(values[0])
	if strings.HasPrefix(key, `"`) {
		if key, ok = unquote(key); !ok {
			return "", errValidation
		}
	}
	if key == "" || len(key) > maxIdempotencyKey {
		return "", errValidation
	}
	for i := range len(key) {
		if key[i] <= ' ' || key[i] > '~' {
			return "", errValidation
		}
	}
	return key, nil
}

// unquote reads a string as RFC 9651 writes it in a header: within it a quote
// and a backslash come behind a backslash.
func unquote(text string) (string, bool) {
	var out []byte
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '"':
			return string(out), i == len(text)-1
		case '\\':
			if i++; i == len(text) || (text[i] != '"' && text[i] != '\\') {
				return "", false
			}
		}
		out = append(out, text[i])
	}
	return "", false
}

// repeatable is a call with an idempotency key, or without one: the zero value.
type repeatable struct {
	key     string
	request hash.Hash
}

// readRepeatable reads the key of a call to which method, path and query
// belong, and from here on hashes its body as it is read.
func readRepeatable(c *call, method string) (repeatable, error) {
	key, err := readIdempotencyKey(c.r.Header)
	if key == "" || err != nil {
		return repeatable{}, err
	}
	path := strings.TrimSuffix(c.r.URL.EscapedPath(), "/")
	rp := repeatable{key, directory.NewRequestHash(method, path, c.r.URL.RawQuery)}
	c.r.Body = struct {
		io.Reader
		io.Closer
	}{io.TeeReader(c.r.Body, rp.request), c.r.Body}
	return rp, nil
}

// repeat is the key for a verb, once the body has been read.
func (rp repeatable) repeat() directory.RepeatKey {
	if rp.key == "" {
		return directory.RepeatKey{}
	}
	return directory.NewRepeatKey(rp.key, rp.request)
}

// replayed marks the answer, and the line of the log, when an earlier call did
// what it tells about.
func (c *call) replayed(yes bool) {
	if yes {
		web.AddLog(c.r.Context(), slog.Bool("replayed", true))
		c.w.Header().Set(headerReplayed, "true")
	}
}
