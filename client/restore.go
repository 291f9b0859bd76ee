package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"roster/internal/excerpt"
)

// RestoreUsersRequest names the users of a removal to bring back: some of them,
// by address or by the organisation's own ids, or all.
type RestoreUsersRequest struct {
	EmailIDs   []string `json:"deleteEmailIds,omitempty"`
	OrgUserIDs []string `json:"orgUserIds,omitempty"`
	// All brings back everybody of the removal. Without it a request that names
	// nobody is an error, so that a list that came out empty never means
	// everybody; with it nobody may be named.
	All bool `json:"-"`
	// DryRun, Atomic and Codes are as with a removal. Whoever can restore knows them.
	DryRun bool `json:"-"`
	Atomic bool `json:"-"`
	Codes  bool `json:"-"`
	// IdempotencyKey lets the call be made again, as that of a removal does.
	IdempotencyKey string `json:"-"`
}

// RestoreUsersResult is the answer to a restore.
type RestoreUsersResult struct {
	// Message is set when everybody was restored.
	Message string `json:"msg"`
	// Failed lists who was not, in the order of the request.
	Failed []FailedUser `json:"failedUserDetails"`
	// NotRestored lists what the restored users had and did not get back,
	// because it was deleted meanwhile.
	NotRestored []LostObject `json:"notRestored"`
	// DryRun says that this is a preview.
	DryRun bool `json:"dryRun"`
	// Atomic says that nobody was restored, because of those who failed.
	Atomic bool `json:"atomic"`
}

// LostObject is a group, a bot or a role that was deleted after users who had
// it were removed.
type LostObject struct {
	Kind string `json:"kind"` // "group", "bot" or "role"
	ID   string `json:"id"`
	Name string `json:"name"`
	// Users counts the restored users who had it.
	Users int `json:"users"`
}

// RestoreUsers undoes a removal of the app's account, or a part of it: the users
// are members again with all that they had. Those who could not be restored are
// in the result. What an error means is as with RemoveUsers, but that a job of
// more than 100,000 users may be restored in part.
func (c *Client) RestoreUsers(ctx context.Context, removal string, req RestoreUsersRequest) (*RestoreUsersResult, error) {
	named := len(req.EmailIDs) + len(req.OrgUserIDs)
	switch {
	case !removalID.MatchString(removal):
		return nil, fmt.Errorf("%q is not the id of a removal", excerpt.Of(removal))
	case req.All && named > 0:
		return nil, errors.New("the restore names users and wants all of the removal: only one can be meant")
	case !req.All && named == 0:
		return nil, errors.New("the restore names nobody")
	}
	a, err := c.call(ctx, request{
		method: http.MethodPost, path: removalsPath + "/" + removal + "/restore", key: req.IdempotencyKey, body: req,
		query: options(req.DryRun, req.Atomic, req.Codes), repeat: req.IdempotencyKey != "",
	})
	if err != nil {
		return nil, err
	}
	out := &RestoreUsersResult{}
	err = c.decode(a, out, func() bool { return out.Message != "" || len(out.Failed) > 0 })
	if err != nil {
		return nil, err
	}
	return out, nil
}
