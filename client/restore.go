package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
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
// in the result. What an error means is as with RemoveUsers.
func (c *Client) RestoreUsers(ctx context.Context, removal string, req RestoreUsersRequest) (*RestoreUsersResult, error) {
	named := len(req.EmailIDs) + len(req.OrgUserIDs)
	switch {
	case !removalID.MatchString(removal):
		return nil, fmt.Errorf("%q is not the id of a removal", removal)
	case req.All && named > 0:
		return nil, errors.New("the restore names users and wants all of the removal: only one can be meant")
	case !req.All && named == 0:
		return nil, errors.New("the restore names nobody")
	}
	path := usersPath + "/removals/" + removal + "/restore"
	answer, _, err := c.call(ctx, request{method: http.MethodPost, path: path, key: req.IdempotencyKey, body: req})
	if err != nil {
		return nil, err
	}
	out := &RestoreUsersResult{}
	if err := json.Unmarshal(answer, out); err != nil || (out.Message == "" && len(out.Failed) == 0) {
		return nil, c.foreign()
	}
	return out, nil
}
