// Package client calls the public API of an account user directory, this one
// or any other host that speaks the same published API. It makes the token of
// each call itself, from the client id and secret, or private key, of an app.
//
// It has a method for each call of that API. A call that met a limit or a broken
// connection is made again, as Retry says, but one that changes something only
// where that cannot do it twice. RemoveAll removes more users than fit into a
// call.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"roster/internal/excerpt"
)

// Config says whom to call and as which app.
type Config struct {
	// Host is the base URL of the host, such as https://users.example.com.
	Host         string
	ClientID     string
	ClientSecret string // empty with RS256 and RS512
	TokenKind
	// HTTPClient makes the calls; nil for one that waits up to 6 minutes for an
	// answer. Redirects are followed only if it says so by CheckRedirect: the API
	// has none, and they would take the token elsewhere.
	HTTPClient *http.Client
	// Retry says when calls are made again.
	Retry Retry
	// Now and Sleep are the clock that waiting goes by, for tests; nil for the real
	// one. Sleep returns the error of the context when that ends first.
	Now   func() time.Time
	Sleep func(context.Context, time.Duration) error
}

// Client calls the public API. It is safe for concurrent use.
type Client struct {
	base string
	http *http.Client
	mint *mint

	retry Retry
	now   func() time.Time
	sleep func(context.Context, time.Duration) error

	// answered is set once the host has answered anything.
	answered atomic.Bool
	// knowsOptions is set once the host has shown that it knows DryRun and Atomic.
	knowsOptions atomic.Bool
	// keepsKeys is set once the host has shown that it keeps idempotency keys: who
	// names removals does both.
	keepsKeys atomic.Bool
}

// callTimeout is longer than a server takes for the largest call.
const callTimeout = 6 * time.Minute

// tokenLife is how long the token of one call is valid.
const tokenLife = 10 * time.Minute

// New checks the configuration and makes a client of it.
func New(cfg Config) (*Client, error) {
	u, err := url.Parse(cfg.Host)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, fmt.Errorf("host %q is not a URL such as https://users.example.com", excerpt.Of(cfg.Host))
	}
	m, err := newMint(cfg.ClientID, cfg.ClientSecret, cfg.TokenKind)
	if err != nil {
		return nil, err
	}
	retry, err := cfg.Retry.withDefaults()
	if err != nil {
		return nil, err
	}
	c := &Client{base: strings.TrimSuffix(u.String(), "/"), mint: m, retry: retry, now: cfg.Now, sleep: cfg.Sleep}
	if c.now == nil {
		c.now = time.Now
	}
	if c.sleep == nil {
		c.sleep = sleep
	}
	calls := http.Client{Timeout: callTimeout}
	if cfg.HTTPClient != nil {
		calls = *cfg.HTTPClient
	}
	if calls.CheckRedirect == nil {
		calls.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	}
	c.http = &calls
	return c, nil
}

// Error is a call that was refused as a whole.
type Error struct {
	Status  int // HTTP
	Code    int
	Message string
	// RetryAfter is how long the host wants to be left alone, if it said so.
	RetryAfter time.Duration
}

// Error implements error.
func (e *Error) Error() string {
	return fmt.Sprintf("the server refused the call: %s (HTTP %d, code %d)", e.Message, e.Status, e.Code)
}

// request is one call of the public API.
type request struct {
	method string
	path   string // behind the host
	query  url.Values
	accept string // unless empty
	prefer string // unless empty
	key    string // Idempotency-Key, unless empty
	body   any    // nil for none
	repeat bool   // it may be done twice
	pace   *pacer // nil for none
}

// answer is a call that succeeded: 200, or 202.
type answer struct {
	status int
	header http.Header
	body   []byte
	// repeated says that an attempt before may have been done as well.
	repeated bool
}

// call makes a call, more than once if need be, until it is answered with 200 or
// 202.
func (c *Client) call(ctx context.Context, rq request) (*answer, error) {
	var body []byte
	if rq.body != nil {
		var err error
		if body, err = json.Marshal(rq.body); err != nil {
			return nil, err
		}
	}
	acted := false // an attempt before this one may have been done
	for attempt := 1; ; attempt++ {
		if wait := rq.pace.next(c.now()); wait > 0 {
			if err := c.sleep(ctx, wait); err != nil {
				return nil, &callError{err: fmt.Errorf("wait for the next call: %w", err), acted: acted}
			}
		}
		out, err := c.attempt(ctx, rq, body)
		if err == nil {
			out.repeated = acted
			return out, nil
		}
		acted = acted || MayHaveActed(err)
		wait, again := c.again(ctx, &rq, attempt, err)
		if !again {
			return nil, c.failed(err, acted)
		}
		if ended := c.sleep(ctx, wait); ended != nil {
			return nil, &callError{err: fmt.Errorf("%w; then: %w", err, ended), acted: acted}
		}
	}
}

// attempt makes a call once.
func (c *Client) attempt(ctx context.Context, rq request, body []byte) (*answer, error) {
	token, err := c.mint.token(tokenLife) // a fresh one, since some are good for one call
	if err != nil {
		return nil, err
	}
	var sent atomic.Bool
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { sent.Store(true) }})
	r, err := c.newRequest(traced, rq, body)
	if err != nil {
		return nil, err
	}
	r.Header.Set("auth", token)
	resp, err := c.http.Do(r)
	if err != nil {
		return nil, &callError{err: fmt.Errorf("call the server: %w", err), acted: sent.Load(), broken: true}
	}
	defer resp.Body.Close()
	c.answered.Store(true)
	text, err := io.ReadAll(resp.Body)
	switch {
	case resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusAccepted:
		return nil, refusal(resp, text, c.now()) // its status counts, even if the rest is lost
	case err != nil:
		return nil, &callError{err: fmt.Errorf("read the server's answer: %w", err), acted: true, broken: true}
	}
	return &answer{status: resp.StatusCode, header: resp.Header, body: text}, nil
}

func (c *Client) newRequest(ctx context.Context, rq request, body []byte) (*http.Request, error) {
	target := c.base + rq.path
	if len(rq.query) > 0 {
		target += "?" + rq.query.Encode()
	}
	r, err := http.NewRequestWithContext(ctx, rq.method, target, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if rq.key != "" || c.mint.jti {
		// net/http must not send it again by itself when a connection fails: it takes a
		// key for leave to do so, which the host may not know, and it sends the same
		// token, which may be good for one call. It does not where it cannot have the
		// body again.
		r.GetBody = nil
		r.Body = io.NopCloser(r.Body)
	}
	for name, value := range map[string]string{"Accept": rq.accept, "Prefer": rq.prefer, "Idempotency-Key": rq.key} {
		if value != "" {
			r.Header.Set(name, value)
		}
	}
	return r, nil
}

// foreign is the error for an answer in another form than the API's. What the
// call did nobody knows.
func (c *Client) foreign() error {
	return &callError{err: fmt.Errorf("the answer of %s is not one of the public API", c.base), acted: true}
}

// decode reads an answer into out; good says whether it is one of the API.
func (c *Client) decode(a *answer, out any, good func() bool) error {
	if err := json.Unmarshal(a.body, out); err != nil || !good() {
		return c.foreign()
	}
	return nil
}

func refusal(resp *http.Response, text []byte, now time.Time) *Error {
	var body struct {
		Errors []struct {
			Msg  string `json:"msg"`
			Code int    `json:"code"`
		} `json:"errors"`
	}
	e := &Error{Status: resp.StatusCode, Message: http.StatusText(resp.StatusCode), RetryAfter: retryAfter(resp.Header, now)}
	if json.Unmarshal(text, &body) == nil && len(body.Errors) > 0 {
		e.Message, e.Code = body.Errors[0].Msg, body.Errors[0].Code
	}
	return e
}
