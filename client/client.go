// Package client calls the public API of an account user directory, this one
// or any other host that speaks the same published API. It makes the token of
// each call itself, from the client id and secret, or private key, of an app.
//
// It covers the removal of users; it retries nothing.
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

// RemoveUsersRequest names the users to remove, by address, by the
// organisation's own ids, or both.
type RemoveUsersRequest struct {
	EmailIDs   []string `json:"deleteEmailIds,omitempty"`
	OrgUserIDs []string `json:"orgUserIds,omitempty"`
}

// FailedUser is a user who was not removed.
type FailedUser struct {
	EmailID   string `json:"emailId,omitempty"`
	OrgUserID string `json:"orgUserId,omitempty"`
	Reason    Reason `json:"reason"`
}

// Reason says why.
type Reason struct {
	Message string `json:"message"`
}

// RemoveUsersResult is the answer to a removal.
type RemoveUsersResult struct {
	// Message is set when everybody was removed.
	Message string `json:"msg"`
	// Failed lists who was not, in the order of the request.
	Failed []FailedUser `json:"failedUserDetails"`
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

// RemoveUsers removes the named users from the app's account. Those who could
// not be removed are in the result. An *Error means that the call was refused
// and nobody was removed; with any other error, such as a broken connection,
// it is not known whether all or nobody was.
func (c *Client) RemoveUsers(ctx context.Context, req RemoveUsersRequest) (*RemoveUsersResult, error) {
	body, err := json.Marshal(req)
	if err != nil {
		return nil, err
	}
	token, err := c.mint.token(tokenLife)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodDelete, c.base+"/api/public/users", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("auth", token)
	resp, err := c.http.Do(r)
	if err != nil {
		return nil, fmt.Errorf("call the server: %w", err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("read the server's answer: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, refusal(resp.StatusCode, answer)
	}
	var out RemoveUsersResult
	if err := json.Unmarshal(answer, &out); err != nil || (out.Message == "" && len(out.Failed) == 0) {
		return nil, fmt.Errorf("the answer of %s is not one of the public API", c.base)
	}
	return &out, nil
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
