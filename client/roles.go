package client

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"net/http"
	"net/url"
	"time"
)

// availableMore is the key that says whether a page follows.
const availableMore = "availableMore"

// UserRoles is a user with the roles that they have.
type UserRoles struct {
	Username     string      `json:"username"` // the address
	OrgUserID    string      `json:"orgUserId"`
	AccountID    string      `json:"accountId"`
	UserID       string      `json:"userId"`
	IsDeveloper  bool        `json:"isDeveloper"`
	CanCreateBot bool        `json:"canCreateBot"`
	BotRoles     []RoleGrant `json:"btRoles"`
	AdminRoles   []RoleGrant `json:"adminRoles"`
}

// AllUserRoles lists the users of the account with their roles, in the order of
// their creation. It reads page by page.
func (c *Client) AllUserRoles(ctx context.Context) iter.Seq2[UserRoles, error] {
	return listing[UserRoles]{path: "/api/public/alluserroles", items: "users", more: availableMore}.each(ctx, c)
}

// Kinds of roles.
const (
	AdminRole = "admin"
	BotRole   = "bot"
)

// Role is a role with what it allows.
type Role struct {
	ID          string `json:"_id"`      //nolint:tagliatelle // as the wire has it, here and below
	Type        string `json:"roleType"` // AdminRole or BotRole
	Name        string `json:"role"`
	Description string `json:"rDesc"`
	// Permissions have one value each: YES or NO, of a bot role also FULL or VIEW.
	Permissions map[string]Permission `json:"permissions"`
}

// Permission is the value of a permission.
type Permission string

// UnmarshalJSON implements json.Unmarshaler. Those of bot roles are lists of one.
func (p *Permission) UnmarshalJSON(text []byte) error {
	var one string
	if json.Unmarshal(text, &one) == nil {
		*p = Permission(one)
		return nil
	}
	var list []string
	if err := json.Unmarshal(text, &list); err != nil {
		return err
	}
	if len(list) != 1 {
		return errors.New("a permission has not one value")
	}
	*p = Permission(list[0])
	return nil
}

// Roles lists the roles of the account, those of one kind unless it is empty. It
// reads page by page.
func (c *Client) Roles(ctx context.Context, kind string) iter.Seq2[Role, error] {
	query := url.Values{}
	if kind != "" {
		query.Set("roleType", kind)
	}
	return listing[Role]{path: "/api/public/roles", query: query, items: "roles", more: availableMore}.each(ctx, c)
}

// Group is a group with everybody who is in it.
type Group struct {
	ID          string `json:"_id"` //nolint:tagliatelle // as the wire has it
	Name        string `json:"gN"`
	Description string `json:"gDesc"`
	// Groups are those nested in it.
	Groups []struct {
		ID   string `json:"_id"` //nolint:tagliatelle // as the wire has it
		Name string `json:"gN"`
	} `json:"groups"`
	// Users are in it by themselves.
	Users     []GroupUser `json:"users"`
	UserCount int         `json:"userCount"`
}

// GroupUser is a user in a group.
type GroupUser struct {
	ID               string `json:"_id"` //nolint:tagliatelle // as the wire has it
	EmailID          string `json:"emailId"`
	FirstName        string `json:"firstName"`
	LastName         string `json:"lastName"`
	ActivationStatus string `json:"activationStatus"` // "active" or "not active"
}

// Groups lists the groups of the account. It reads page by page.
func (c *Client) Groups(ctx context.Context) iter.Seq2[Group, error] {
	return listing[Group]{path: "/api/public/groups", items: "groups", more: availableMore}.each(ctx, c)
}

// Bot is a bot of the account.
type Bot struct {
	ID              string    `json:"_id"` //nolint:tagliatelle // as the wire has it
	AccountID       string    `json:"accountId"`
	CreatedOn       time.Time `json:"createdOn"`
	CreatedBy       string    `json:"createdBy"` // the user id of the owner
	Name            string    `json:"name"`
	Description     string    `json:"description"`
	Status          string    `json:"status"`
	Type            string    `json:"type"`
	DefaultLanguage string    `json:"defaultLanguage"`
}

// Bots lists the bots of the account. It reads page by page.
func (c *Client) Bots(ctx context.Context) iter.Seq2[Bot, error] {
	return listing[Bot]{path: "/api/public/bots", items: "bots", more: availableMore}.each(ctx, c)
}

// RoleAssignment says who gets a role and who loses it. Who is to do both, loses it.
type RoleAssignment struct {
	RoleID string `json:"roleId"`
	// BotID is the bot of a bot role.
	BotID            string   `json:"botId,omitempty"`
	AddUsers         []string `json:"addUsers,omitempty"`         // addresses
	AddOrgUserIDs    []string `json:"addOrgUserIds,omitempty"`    // the organisation's own ids
	RemoveUsers      []string `json:"removeUsers,omitempty"`      // addresses
	RemoveOrgUserIDs []string `json:"removeOrgUserIds,omitempty"` // the organisation's own ids
	AddGroups        []string `json:"addGroups,omitempty"`        // names
	RemoveGroups     []string `json:"removeGroups,omitempty"`     // names
}

// AssignmentResult is what came of a RoleAssignment.
type AssignmentResult struct {
	RoleID string  `json:"roleId"`
	Status string  `json:"status"` // "success" or "failure"
	Reason *Reason `json:"reason"` // of a failure
}

// AssignAdminRoles gives admin roles and takes them away. There is a result for
// each item, in their order; an item is done as a whole or not at all.
func (c *Client) AssignAdminRoles(ctx context.Context, items []RoleAssignment) ([]AssignmentResult, error) {
	return c.assign(ctx, "/api/public/adminroles/assignments/", items)
}

// AssignBotRoles does the same for roles in bots.
func (c *Client) AssignBotRoles(ctx context.Context, items []RoleAssignment) ([]AssignmentResult, error) {
	return c.assign(ctx, "/api/public/btroles/assignments/", items)
}

func (c *Client) assign(ctx context.Context, path string, items []RoleAssignment) ([]AssignmentResult, error) {
	if len(items) == 0 {
		return nil, errors.New("the call assigns nothing")
	}
	a, err := c.call(ctx, request{method: http.MethodPost, path: path, query: options(false, false, true), body: items})
	if err != nil {
		return nil, err
	}
	var out []AssignmentResult
	if err := c.decode(a, &out, func() bool { return len(out) == len(items) }); err != nil {
		return nil, err
	}
	return out, nil
}
