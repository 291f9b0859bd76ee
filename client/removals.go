package client

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"time"

	"roster/internal/excerpt"
)

const removalsPath = usersPath + "/removals"

// States of a Removal.
const (
	StateQueued    = "queued"
	StateRunning   = "running"
	StateCompleted = "completed"
	StateCancelled = "cancelled"
	StateFailed    = "failed"
)

// Removal is a removal as its host keeps it: a call, or a job.
type Removal struct {
	ID string `json:"id"`
	// State is one of the States. A call is always completed; a job that is failed
	// could not go on, and what it did stays.
	State string `json:"state"`
	// Requested counts the users who were named, and Done those who were dealt with.
	Requested int `json:"requested"`
	Done      int `json:"done"`
	Removed   int `json:"removed"`
	Failed    int `json:"failed"`
	// CreatedOn is when it was asked for, and FinishedOn when it was over; nil while
	// it is not.
	CreatedOn  time.Time  `json:"createdOn"`
	FinishedOn *time.Time `json:"finishedOn"`
	// FailedUsers are those who were not removed: empty while a job is not over, and
	// in a list of removals. Of a call the first 1,000 are kept.
	FailedUsers []FailedUser `json:"failedUserDetails"`
}

// Over says whether nothing more will be done.
func (r *Removal) Over() bool { return r.State != StateQueued && r.State != StateRunning }

// StartRemoval asks for a removal as a job ("Prefer: respond-async"), of up to a
// million users, which a host does in the background; WaitRemoval waits for it.
// DryRun and Atomic cannot be asked for, and IncludeMeta and Codes are ignored.
//
// A host that knows no jobs would do it as a call. So before its first job a Client
// asks as it does for DryRun, and such a host is an *OptionError. What other errors
// mean is as with RemoveUsers.
func (c *Client) StartRemoval(ctx context.Context, req RemoveUsersRequest) (*Removal, error) {
	if req.DryRun || req.Atomic {
		return nil, errors.New("a job is neither a preview nor atomic: use RemoveUsers")
	}
	if !c.knowsOptions.Load() {
		err := c.probe(ctx, RemoveUsersRequest{DryRun: true, Atomic: true})
		if _, ok := errors.AsType[*OptionError](err); ok {
			return nil, &OptionError{Option: respondAsync}
		}
		if err != nil {
			return nil, err
		}
	}
	rq := removal(req)
	rq.prefer, rq.repeat = respondAsync, req.IdempotencyKey != ""
	a, err := c.call(ctx, rq)
	if err != nil {
		return nil, err
	}
	if a.status != http.StatusAccepted {
		return nil, &OptionError{Option: respondAsync, Removed: true}
	}
	return c.readRemoval(a)
}

const respondAsync = "respond-async"

// Removal reads a removal, with those who were not removed.
func (c *Client) Removal(ctx context.Context, id string) (*Removal, error) {
	return c.removal(ctx, id, http.MethodGet, url.Values{"reasons": {"codes"}})
}

// CancelRemoval ends a job between two of its chunks. Whom it has removed stays
// removed. An *Error with the Status 409 is one that is over already.
func (c *Client) CancelRemoval(ctx context.Context, id string) (*Removal, error) {
	return c.removal(ctx, id, http.MethodDelete, nil)
}

// removal makes a call about one removal. To cancel it twice is to cancel it.
func (c *Client) removal(ctx context.Context, id, method string, query url.Values) (*Removal, error) {
	if !removalID.MatchString(id) {
		return nil, fmt.Errorf("%q is not the id of a removal", excerpt.Of(id))
	}
	a, err := c.call(ctx, request{method: method, path: removalsPath + "/" + id, query: query, repeat: true})
	if err != nil {
		return nil, err
	}
	return c.readRemoval(a)
}

func (c *Client) readRemoval(a *answer) (*Removal, error) {
	out := &Removal{}
	if err := c.decode(a, out, func() bool { return removalID.MatchString(out.ID) && out.State != "" }); err != nil {
		return nil, err
	}
	return out, nil
}

// RemovalCSV reads those who were not removed as a CSV file: emailId, orgUserId,
// reason, reasonCode. An *Error with the Status 409 is a job that is not over.
func (c *Client) RemovalCSV(ctx context.Context, id string) ([]byte, error) {
	if !removalID.MatchString(id) {
		return nil, fmt.Errorf("%q is not the id of a removal", excerpt.Of(id))
	}
	a, err := c.call(ctx, request{method: http.MethodGet, path: removalsPath + "/" + id, accept: "text/csv", repeat: true})
	if err != nil {
		return nil, err
	}
	return a.body, nil
}

// Removals lists the account's removals, of all its apps, the newest first, without
// FailedUsers. It reads page by page.
func (c *Client) Removals(ctx context.Context) iter.Seq2[Removal, error] {
	return listing[Removal]{
		path: removalsPath, items: "removals", more: availableMore, id: func(r *Removal) string { return r.ID },
	}.each(ctx, c)
}

// WaitRemoval reads a removal until it is over, and returns it then. It looks every
// so often, 3 seconds unless given, at the beginning more often. Each time before
// the end it calls progress, unless that is nil, with what it read. Every look
// counts under the host's limits.
func (c *Client) WaitRemoval(ctx context.Context, id string, every time.Duration, progress func(*Removal)) (*Removal, error) {
	if every <= 0 {
		every = 3 * time.Second
	}
	for wait := every / 16; ; wait = min(2*wait, every) {
		r, err := c.Removal(ctx, id)
		if err != nil || r.Over() {
			return r, err
		}
		if progress != nil {
			progress(r)
		}
		if err := c.sleep(ctx, wait); err != nil {
			return r, err
		}
	}
}
