package client

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// UserInfo is what an account knows about a user. Of a change, nil stays as it is
// and an empty text clears a field.
type UserInfo struct {
	// EmailID is the address. It cannot be changed.
	EmailID string `json:"emailId,omitempty"`
	// OrgUserID is the organisation's own id. A change without EmailID finds the user
	// by it; beside an EmailID it is the user's new one.
	OrgUserID           string  `json:"orgUserId,omitempty"`
	FirstName           *string `json:"firstName,omitempty"`
	LastName            *string `json:"lastName,omitempty"`
	CompanyName         *string `json:"companyName,omitempty"`
	Dept                *string `json:"dept,omitempty"`
	CompanyContactPhone *string `json:"companyContactPhone,omitempty"`
	WorkNumber          *string `json:"worknumber,omitempty"`
	Street              *string `json:"street,omitempty"`
	SuiteNo             *string `json:"suiteNo,omitempty"`
	City                *string `json:"city,omitempty"`
	Zip                 *string `json:"zip,omitempty"`
	State               *string `json:"state,omitempty"`
	Country             *string `json:"country,omitempty"`
}

// UserRole is a role that a user gets or loses: an admin role, or with BotID a
// role in a bot.
type UserRole struct {
	RoleID string `json:"roleId"`
	BotID  string `json:"botId,omitempty"`
}

// BotTasks are tasks of a bot that are assigned to a user: those of Dialogs, or
// all where it is empty.
type BotTasks struct {
	BotID   string   `json:"botId"`
	Dialogs []string `json:"dialogs,omitempty"`
}

// NewUser is a user to be made.
type NewUser struct {
	UserInfo UserInfo   `json:"userInfo"`
	Groups   []string   `json:"groups,omitempty"` // ids
	Roles    []UserRole `json:"roles,omitempty"`
	Tasks    []BotTasks `json:"assignBotTasks,omitempty"`
	// CanCreateBot and IsDeveloper are on where they are nil.
	CanCreateBot *bool `json:"canCreateBot,omitempty"`
	IsDeveloper  *bool `json:"isDeveloper,omitempty"`
}

// UserChange is what changes about a user, who is found by the address, or by the
// org id where there is none. What is nil stays as it is.
type UserChange struct {
	UserInfo     UserInfo      `json:"userInfo"`
	Groups       *GroupsChange `json:"groups,omitempty"`
	Roles        *RolesChange  `json:"roles,omitempty"`
	Tasks        *[]BotTasks   `json:"assignBotTasks,omitempty"` // all that the user has from then on
	CanCreateBot *bool         `json:"canCreateBot,omitempty"`
	IsDeveloper  *bool         `json:"isDeveloper,omitempty"`
}

// GroupsChange are groups, by id, that a user joins and leaves.
type GroupsChange struct {
	AddTo      []string `json:"addTo,omitempty"`
	RemoveFrom []string `json:"removeFrom,omitempty"`
}

// RolesChange are roles that a user gets and loses.
type RolesChange struct {
	AddTo      []UserRole `json:"addTo,omitempty"`
	RemoveFrom []UserRole `json:"removeFrom,omitempty"`
}

// CreateUsersRequest names the users to make.
type CreateUsersRequest struct {
	Users []NewUser `json:"users"`
	// SendEmail asks the host to tell them; it does where this is nil.
	SendEmail *bool `json:"sendEmail,omitempty"`
	// Codes asks for the code of each reason.
	Codes bool `json:"-"`
}

// UpdateUsersRequest names the users to change.
type UpdateUsersRequest struct {
	Users     []UserChange `json:"users"`
	SendEmail *bool        `json:"sendEmail,omitempty"`
	Codes     bool         `json:"-"`
}

// UsersResult is the answer to making or changing users.
type UsersResult struct {
	// Message is set when all was done.
	Message string
	// Failed lists for whom nothing was done, in the order of the request.
	Failed []UserNotDone
}

// UserNotDone is a user who was not made or changed, as the request named them.
type UserNotDone struct {
	EmailID   string `json:"emailId"`
	OrgUserID string `json:"orgUserId"`
	FirstName string `json:"firstName"`
	Reason    Reason `json:"reason"`
}

// CreateUsers makes users of the account, each as a whole or not at all. The host
// keeps no key for it, so it is made again only when it surely did nothing.
func (c *Client) CreateUsers(ctx context.Context, req CreateUsersRequest) (*UsersResult, error) {
	if len(req.Users) == 0 {
		return nil, errNobody
	}
	return c.writeUsers(ctx, http.MethodPost, req, req.Codes)
}

// UpdateUsers changes users of the account, each as a whole or not at all. As with
// CreateUsers it is made again only when it surely did nothing.
func (c *Client) UpdateUsers(ctx context.Context, req UpdateUsersRequest) (*UsersResult, error) {
	if len(req.Users) == 0 {
		return nil, errNobody
	}
	return c.writeUsers(ctx, http.MethodPut, req, req.Codes)
}

var errNobody = errors.New("the call names nobody")

func (c *Client) writeUsers(ctx context.Context, method string, body any, codes bool) (*UsersResult, error) {
	a, err := c.call(ctx, request{method: method, path: usersPath, query: options(false, false, codes), body: body})
	if err != nil {
		return nil, err
	}
	var wire struct {
		Msg    string `json:"msg"`
		Failed []struct {
			UserInfo UserNotDone `json:"userInfo"`
		} `json:"failedUserDetails"`
	}
	if err := c.decode(a, &wire, func() bool { return wire.Msg != "" || len(wire.Failed) > 0 }); err != nil {
		return nil, err
	}
	out := &UsersResult{Message: wire.Msg}
	for _, f := range wire.Failed {
		out.Failed = append(out.Failed, f.UserInfo)
	}
	return out, nil
}

// UsersInfoRequest names the users to read, by address, by the organisation's own
// ids, or both.
type UsersInfoRequest struct {
	EmailIDs   []string `json:"emailIds,omitempty"`
	OrgUserIDs []string `json:"orgUserIds,omitempty"`
	// Status is "active", "not active" or "all"; empty for all.
	Status string `json:"status,omitempty"`
	Codes  bool   `json:"-"`
}

// User is a user with what they have; or one who is not there, with the Reason.
type User struct {
	EmailID      string
	OrgUserID    string // of one who was named by it and is not there
	UserID       string
	FirstName    string
	LastName     string
	Status       string     // "active" or "not active"
	LastLogin    *time.Time // nil for who never signed in
	CanCreateBot bool
	IsDeveloper  bool
	AdminRoles   []RoleGrant
	BotRoles     []RoleGrant
	Tasks        []BotTasks
	Groups       []GroupName
	// Reason is set for an id that is nobody's.
	Reason *Reason
}

// RoleGrant is a role that a user has. Groups are those that it comes by; empty
// for one of the user's own.
type RoleGrant struct {
	RoleID   string      `json:"roleId"`
	RoleName string      `json:"roleName"`
	Groups   []GroupName `json:"groups"`
	BotID    string      `json:"botId"` // of a bot role
	BotName  string      `json:"botName"`
}

// GroupName is a group with its name.
type GroupName struct {
	ID   string `json:"groupId"`
	Name string `json:"groupName"`
}

// wireUser is a User as it goes over the wire.
type wireUser struct {
	CanCreateBot bool `json:"canCreateBot"`
	IsDeveloper  bool `json:"isDeveloper"`
	UserInfo     struct {
		EmailID   string     `json:"emailId"`
		OrgUserID string     `json:"orgUserId"`
		UserID    string     `json:"userId"`
		FirstName string     `json:"firstName"`
		LastName  string     `json:"lastName"`
		Status    string     `json:"status"`
		LastLogin *time.Time `json:"lastLogin"`
		Reason    *Reason    `json:"reason"`
	} `json:"userInfo"`
	Roles struct {
		Bot   []RoleGrant `json:"btRoles"`
		Admin []RoleGrant `json:"adminRoles"`
	} `json:"roles"`
	Tasks  []BotTasks  `json:"assignBotTasks"`
	Groups []GroupName `json:"groups"`
}

// UsersInfo reads users of the account: an entry for each id, in the order of the
// request, addresses first, but for users of a status that was not asked for.
func (c *Client) UsersInfo(ctx context.Context, req UsersInfoRequest) ([]User, error) {
	if len(req.EmailIDs)+len(req.OrgUserIDs) == 0 {
		return nil, errNobody
	}
	a, err := c.call(ctx, request{
		method: http.MethodPost, path: "/api/public/usersInfo", query: options(false, false, req.Codes), body: req, repeat: true,
	})
	if err != nil {
		return nil, err
	}
	var wire []wireUser
	if err := c.decode(a, &wire, func() bool { return wire != nil }); err != nil {
		return nil, err
	}
	users := make([]User, len(wire))
	for i := range wire {
		w, info := &wire[i], &wire[i].UserInfo
		users[i] = User{
			EmailID: info.EmailID, OrgUserID: info.OrgUserID, UserID: info.UserID, FirstName: info.FirstName,
			LastName: info.LastName, Status: info.Status, LastLogin: info.LastLogin,
			CanCreateBot: w.CanCreateBot, IsDeveloper: w.IsDeveloper,
			AdminRoles: w.Roles.Admin, BotRoles: w.Roles.Bot, Tasks: w.Tasks, Groups: w.Groups, Reason: info.Reason,
		}
	}
	return users, nil
}

// UserAccess is what users may do from now on; a flag that is nil stays as it is.
type UserAccess struct {
	EmailIDs                  []string `json:"emailIds"`
	CanCreateBot              *bool    `json:"canCreateBot,omitempty"`
	IsDeveloper               *bool    `json:"isDeveloper,omitempty"`
	HasDataTableAndViewAccess *bool    `json:"hasDataTableAndViewAccess,omitempty"`
}

// SetUserAccess sets flags of users of the account: of all who are named, or of
// nobody.
func (c *Client) SetUserAccess(ctx context.Context, req UserAccess) error {
	if len(req.EmailIDs) == 0 {
		return errNobody
	}
	a, err := c.call(ctx, request{method: http.MethodPost, path: "/api/public/useraccess", body: req})
	if err != nil {
		return err
	}
	var done []string
	return c.decode(a, &done, func() bool { return len(done) == 1 && done[0] == "SUCCESS" })
}
