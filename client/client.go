// Package client calls the public API of an account user directory, this one
// or any other host that speaks the same published API. It makes the token of
// each call itself, from the client id and secret, or private key, of an app.
//
// It covers the removal of users, its preview and its undo; it retries nothing.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

// Config says whom to call and as which app.
type Config struct {
	// Host is the base URL of the host, such as https://users.example.com.
	Host         string
	ClientID     string
	ClientSecret string // empty with RS256 and RS512
	TokenKind
	// HTTPClient makes the calls; nil for one that waits up to 6 minutes for an answer.
	HTTPClient *http.Client
}

// Client calls the public API. It is safe for concurrent use.
type Client struct {
	base string
	http *http.Client
	mint *mint
	// knowsOptions is set once the host has shown that it knows DryRun and Atomic.
	knowsOptions atomic.Bool
}

// callTimeout is longer than a server takes for the largest call.
const callTimeout = 6 * time.Minute

// tokenLife is how long the token of one call is valid.
const tokenLife = 10 * time.Minute

// New checks the configuration and makes a client of it.
func New(cfg Config) (*Client, error) {
	u, err := url.Parse(cfg.Host)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, fmt.Errorf("host %q is not a URL such as https://users.example.com", cfg.Host)
	}
	m, err := newMint(cfg.ClientID, cfg.ClientSecret, cfg.TokenKind)
	if err != nil {
		return nil, err
	}
	if cfg.HTTPClient == nil {
		cfg.HTTPClient = &http.Client{Timeout: callTimeout}
	}
	return &Client{base: strings.TrimSuffix(u.String(), "/"), http: cfg.HTTPClient, mint: m}, nil
}

// Error is a call that was refused as a whole.
type Error struct {
	Status  int // HTTP
	Code    int
	Message string
}

// Error implements error.
func (e *Error) Error() string {
	return fmt.Sprintf("the server refused the call: %s (HTTP %d, code %d)", e.Message, e.Status, e.Code)
}

// request is one call of the public API.
type request struct {
	method string
	path   string // behind the host, with its query
	key    string // Idempotency-Key, unless empty
	body   any
}

// call makes a call and returns the body and the header of its answer. Any
// status but 200 is an *Error.
func (c *Client) call(ctx context.Context, rq request) (answer []byte, header http.Header, err error) {
	body, err := json.Marshal(rq.body)
	if err != nil {
		return nil, nil, err
	}
	token, err := c.mint.token(tokenLife)
	if err != nil {
		return nil, nil, err
	}
	r, err := http.NewRequestWithContext(ctx, rq.method, c.base+rq.path, bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("auth", token)
	if rq.key != "" {
		r.Header.Set("Idempotency-Key", rq.key)
	}
	resp, err := c.http.Do(r)
	if err != nil {
		return nil, nil, fmt.Errorf("call the server: %w", err)
	}
	defer resp.Body.Close()
	if answer, err = io.ReadAll(resp.Body); err != nil {
		return nil, nil, fmt.Errorf("read the server's answer: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, nil, refusal(resp.StatusCode, answer)
	}
	return answer, resp.Header, nil
}

// foreign is the error for an answer in another form than the API's.
func (c *Client) foreign() error {
	return fmt.Errorf("the answer of %s is not one of the public API", c.base)
}

func refusal(status int, answer []byte) error {
	var body struct {
		Errors []struct {
			Msg  string `json:"msg"`
			Code int    `json:"code"`
		} `json:"errors"`
	}
	e := &Error{Status: status, Message: http.StatusText(status)}
	if json.Unmarshal(answer, &body) == nil && len(body.Errors) > 0 {
		e.Message, e.Code = body.Errors[0].Msg, body.Errors[0].Code
	}
	return e
}
