package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
)

const usersPath = "/api/public/users"

// RemoveUsersRequest names the users to remove, by address, by the
// organisation's own ids, or both.
//
// DryRun and Atomic are extensions of this host, and one that does not know
// them would remove users all the same. So before its first such call a Client
// asks with an id that can be nobody's whether the host knows both, and then
// looks for their mark in each answer. A host that fails this is an
// *OptionError, which says whether users may have been removed.
type RemoveUsersRequest struct {
	EmailIDs   []string `json:"deleteEmailIds,omitempty"`
	OrgUserIDs []string `json:"orgUserIds,omitempty"`
	// DryRun changes nothing: the result is what a removal would be now.
	DryRun bool `json:"-"`
	// Atomic removes all or nobody: when anybody fails, nobody is removed.
	Atomic bool `json:"-"`
	// Codes asks for the code of each reason, and for the bots that stand in the way.
	// Hosts that do not know it leave them out.
	Codes bool `json:"-"`
	// IncludeMeta asks for the number of those removed: Total.
	IncludeMeta bool `json:"includeMeta,omitempty"`
	// IdempotencyKey, unless empty, lets the call be made again when its answer was
	// lost: for a day the host gives the first answer again to the same request
	// under the same key of the app, and does nothing twice. It is 1-255 visible
	// ASCII characters, such as a fresh UUID. With one the Client makes a call whose
	// outcome is unknown again by itself, as Retry says. An *Error with the Status 409 is then
	// a first call that still runs. One with 422 is a key
	// that was used with another request. A DryRun has nothing to repeat. Hosts that
	// do not know the header ignore it, and do the call again.
	IdempotencyKey string `json:"-"`
}

// FailedUser is a user who was not removed, or not restored.
type FailedUser struct {
	EmailID   string `json:"emailId,omitempty"`
	OrgUserID string `json:"orgUserId,omitempty"`
	Reason    Reason `json:"reason"`
}

// Reason says why something was not done for one user or one item.
type Reason struct {
	Message string
	// Code is the reason for programs, such as USER_NOT_FOUND; empty unless the call
	// asked for Codes and the host knows them.
	Code string
	// Bots are those that somebody owns who therefore cannot be removed, with Codes.
	Bots []BotName
}

// BotName is a bot with its name.
type BotName struct {
	ID   string `json:"botId"`
	Name string `json:"botName"`
}

// UnmarshalJSON implements json.Unmarshaler.
func (r *Reason) UnmarshalJSON(text []byte) error {
	var wire struct {
		Message string `json:"message"`
		Errors  []struct {
			Msg        string    `json:"msg"`
			ReasonCode string    `json:"reasonCode"`
			Bots       []BotName `json:"bots"`
		} `json:"errors"`
	}
	if err := json.Unmarshal(text, &wire); err != nil {
		return err
	}
	*r = Reason{Message: wire.Message}
	if len(wire.Errors) > 0 {
		first := wire.Errors[0]
		r.Code, r.Bots = first.ReasonCode, first.Bots
		if r.Message == "" {
			r.Message = first.Msg
		}
	}
	return nil
}

// RemoveUsersResult is the answer to a removal.
type RemoveUsersResult struct {
	// Message is set when everybody was removed, or would be.
	Message string `json:"msg"`
	// Failed lists who was not, in the order of the request.
	Failed []FailedUser `json:"failedUserDetails"`
	// DryRun says that this is a preview.
	DryRun bool `json:"dryRun"`
	// Atomic says that nobody was removed, because of those who failed.
	Atomic bool `json:"atomic"`
	// Total is how many were removed, with IncludeMeta.
	Total int `json:"total"`
	// RemovalID is the id by which the removal can be undone; empty for a preview
	// and from a host that gives none.
	RemovalID string `json:"-"`
}

// OptionError is a host that did not do what DryRun, Atomic or StartRemoval asked
// for.
type OptionError struct {
	Option string // "dryRun", "atomic" or "respond-async"
	// Removed says that the users may have been removed; else nobody was.
	Removed bool
}

// Error implements error.
func (e *OptionError) Error() string {
	if e.Removed && e.Option == respondAsync {
		return "the host ignored that a job was asked for: users may have been removed, and whom it did not remove is not known"
	}
	if e.Removed {
		return "the host ignored the option " + e.Option + ": users may have been removed, although it was asked not to"
	}
	return "the host does not know the option " + e.Option + ": nobody was removed"
}

// RemoveUsers removes the named users from the app's account. Those who could
// not be removed are in the result. A call is all done or not at all. After an
// error MayHaveActed says whether it may have been done, which only the host
// knows; else nobody was removed. An *OptionError comes with the result when there
// is one.
func (c *Client) RemoveUsers(ctx context.Context, req RemoveUsersRequest) (*RemoveUsersResult, error) {
	if (req.DryRun || req.Atomic) && !c.knowsOptions.Load() {
		if err := c.probe(ctx, req); err != nil {
			return nil, err
		}
	}
	// A preview is made once: whoever does not know the option removes by it.
	rq := removal(req)
	rq.repeat = req.IdempotencyKey != "" && !req.DryRun
	out, _, err := c.removeUsers(ctx, rq)
	if err != nil {
		return nil, err
	}
	if ignored := out.ignores(req); ignored != "" {
		return out, &OptionError{Option: ignored, Removed: true}
	}
	return out, nil
}

// nobody is an id that is not an address: no host can have a user of that name.
const nobody = "nobody: does this host know dryRun and atomic?"

// probe asks whether the host knows the options of req by a call that could
// remove nobody even if it did not.
func (c *Client) probe(ctx context.Context, req RemoveUsersRequest) error {
	both := RemoveUsersRequest{EmailIDs: []string{nobody}, DryRun: true, Atomic: true}
	rq := removal(both)
	rq.repeat = true // nobody can be removed by it
	out, _, err := c.removeUsers(ctx, rq)
	if err != nil {
		return err
	}
	if ignored := out.ignores(RemoveUsersRequest{DryRun: req.DryRun, Atomic: req.Atomic}); ignored != "" {
		return &OptionError{Option: ignored}
	}
	if out.ignores(both) == "" {
		c.knowsOptions.Store(true)
	}
	return nil
}

// ignores names the option of req that the answer does not confirm, or "". An
// answer in which nobody failed has nothing to say about Atomic.
func (r *RemoveUsersResult) ignores(req RemoveUsersRequest) string {
	switch {
	case req.DryRun && !r.DryRun:
		return "dryRun"
	case req.Atomic && !r.Atomic && len(r.Failed) > 0:
		return "atomic"
	}
	return ""
}

// removal is the request as it goes over the wire.
func removal(req RemoveUsersRequest) request {
	return request{
		method: http.MethodDelete, path: usersPath, key: req.IdempotencyKey, body: req,
		query: options(req.DryRun, req.Atomic, req.Codes),
	}
}

// options are those of a query.
func options(dryRun, atomic, codes bool) url.Values {
	query := url.Values{}
	if dryRun {
		query.Set("dryRun", "true")
	}
	if atomic {
		query.Set("atomic", "true")
	}
	if codes {
		query.Set("reasons", "codes")
	}
	return query
}

// removeUsers makes the call as it is. repeated says that an attempt before the one
// that was answered may have removed them.
func (c *Client) removeUsers(ctx context.Context, rq request) (out *RemoveUsersResult, repeated bool, err error) {
	a, err := c.call(ctx, rq)
	if err != nil {
		return nil, false, err
	}
	out, err = c.removed(a)
	return out, a.repeated, err
}

// removed reads the answer to a removal.
func (c *Client) removed(a *answer) (*RemoveUsersResult, error) {
	out := &RemoveUsersResult{}
	if err := c.decode(a, out, func() bool { return out.Message != "" || len(out.Failed) > 0 }); err != nil {
		return nil, err
	}
	if id := a.header.Get("X-Removal-Id"); removalID.MatchString(id) {
		out.RemovalID = id
		c.keepsKeys.Store(true)
	}
	return out, nil
}

// removalID is the form of an id that can stand in a path and be shown to
// people as part of a command.
var removalID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$`)
