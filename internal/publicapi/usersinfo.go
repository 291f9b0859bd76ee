package publicapi

import (
	"bufio"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strconv"

	"roster/internal/directory"
	"roster/internal/roster"
	"roster/internal/web"
)

// Keys of the bodies that name users.
const keyEmailIDs = "emailIds"

// namedUsers are the lists of ids of a body.
type namedUsers struct {
	emails, orgUserIDs idList
}

// read reads the value of a key, if it is that of a list.
func (n *namedUsers) read(rd *idReader, key string) (known bool, err error) {
	switch key {
	case keyEmailIDs:
		return true, rd.list(&n.emails, directory.ByEmail)
	case keyOrgUserIDs:
		return true, rd.list(&n.orgUserIDs, directory.ByOrgUserID)
	}
	return false, nil
}

// judge refuses lists that name nobody.
func (n *namedUsers) judge() error {
	switch {
	case !n.emails.present && !n.orgUserIDs.present:
		return errValidation
	case len(n.emails.refs)+len(n.orgUserIDs.refs) > 0:
		return nil
	case n.emails.present:
		return errEmptyList(keyEmailIDs)
	}
	return errEmptyList(keyOrgUserIDs)
}

// refs are all that are named, addresses first.
func (n *namedUsers) refs() []directory.UserRef {
	return slices.Concat(n.emails.refs, n.orgUserIDs.refs)
}

// infoRequest is the body of POST /usersInfo.
type infoRequest struct {
	namedUsers
	status string
}

// statusAll asks for users of whatever status.
const statusAll = "all"

func (q *infoRequest) judge() error {
	switch directory.Status(q.status) {
	case "", statusAll, directory.StatusActive, directory.StatusInactive:
		return q.namedUsers.judge()
	}
	return errValidation
}

// wants says whether users of that status are asked for.
func (q *infoRequest) wants(s directory.Status) bool {
	return q.status == "" || q.status == statusAll || q.status == wireStatus(s)
}

// usersInfo makes POST /usersInfo.
func (a *API) usersInfo() func(*call) error {
	return bodied[infoRequest, []*directory.UserView]{
		read: func(rd *idReader, req *infoRequest) error {
			rd.weight = userWeight // of what is read of each
			return rd.object(func(key string) error {
				if known, err := req.read(rd, key); known {
					return err
				}
				if key == "status" {
					return rd.text(&req.status)
				}
				return rd.json.Skip()
			})
		},
		judge: (*infoRequest).judge,
		do: func(ctx context.Context, c *call, req *infoRequest) ([]*directory.UserView, error) {
			refs := req.refs()
			views, err := a.roster.ReadUsers(ctx, c.caller, "", refs)
			web.AddLog(ctx, slog.Int("requested", len(refs)))
			return views, err
		},
		write: writeUsersInfo,
	}.on(a)
}

// writeUsersInfo writes an entry for each id of the request, in its order, but for
// users of a status that is not asked for.
func writeUsersInfo(w *bufio.Writer, req *infoRequest, views []*directory.UserView, codes bool) {
	refs := req.refs()
	sep := ""
	var b []byte
	w.WriteByte('[') //nolint:errcheck // sticky
	for i, view := range views {
		b = append(b[:0], sep...)
		switch {
		case view == nil:
			b = append(b, `{"userInfo":{"`+idKey(refs[i].Kind)+`":`...)
			b = appendRef(b, refs[i])
			b = appendFailure(b, message(refs[i].Kind, directory.ReasonUserNotFound), string(directory.ReasonUserNotFound), codes)
			b = append(b, "}}"...)
		case req.wants(view.Status):
			b = appendUserInfo(b, view)
		default:
			continue
		}
		w.Write(b) //nolint:errcheck // sticky
		sep = ","
	}
	w.WriteByte(']') //nolint:errcheck // sticky
}

func appendUserInfo(b []byte, v *directory.UserView) []byte {
	b = append(b, `{"canCreateBot":`...)
	b = strconv.AppendBool(b, v.Flags.CanCreateBot)
	b = append(b, `,"isDeveloper":`...)
	b = strconv.AppendBool(b, v.Flags.IsDeveloper)
	b = append(b, `,"userInfo":{`...)
	b = appendField(b, "", "emailId", v.Email)
	b = appendField(b, ",", "userId", v.UserID)
	b = appendField(b, ",", "firstName", v.Profile.FirstName)
	b = appendField(b, ",", "lastName", v.Profile.LastName)
	b = appendField(b, ",", "status", wireStatus(v.Status))
	b = append(b, `,"lastLogin":`...)
	if v.LastLogin.IsZero() {
		b = append(b, "null"...)
	} else {
		b = appendTime(b, v.LastLogin)
	}
	b = append(b, `},"roles":{"btRoles":`...)
	b = appendGrants(b, v.Access.Roles, directory.BotRole)
	b = append(b, `,"adminRoles":`...)
	b = appendGrants(b, v.Access.Roles, directory.AdminRole)
	b = append(b, `},"assignBotTasks":[`...)
	for i := range v.Tasks {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendTask(b, &v.Tasks[i])
	}
	b = append(b, `],"groups":[`...)
	for i, group := range v.Access.Groups {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendField(b, "{", "groupId", group.PublicID)
		b = append(appendField(b, ",", "groupName", group.Name), '}')
	}
	return append(b, "]}"...)
}

// appendTask writes the tasks of a bot. A directory knows of no actions, alerts and
// knowledge tasks; clients find their keys with nothing in them.
func appendTask(b []byte, t *directory.BotTask) []byte {
	b = appendField(b, "{", "botId", t.BotID)
	b = append(b, `,"dialogs":[`...)
	for i, dialog := range t.Dialogs {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendText(b, dialog)
	}
	return append(b, `],"actions":[],"alerts":[],"knowledgeTask":[]}`...)
}

// accessRequest is the body of POST /useraccess.
type accessRequest struct {
	namedUsers
	canCreateBot, isDeveloper, tableAccess *bool
}

func (q *accessRequest) judge() error {
	if q.canCreateBot != nil && *q.canCreateBot && q.isDeveloper != nil && !*q.isDeveloper {
		return errInvalidValues
	}
	return q.namedUsers.judge()
}

// userAccess makes POST /useraccess.
func (a *API) userAccess() func(*call) error {
	return bodied[accessRequest, struct{}]{
		read: func(rd *idReader, req *accessRequest) error {
			return rd.object(func(key string) error {
				switch key {
				case keyEmailIDs:
					return rd.list(&req.emails, directory.ByEmail)
				case "canCreateBot":
					return rd.flag(&req.canCreateBot)
				case "isDeveloper":
					return rd.flag(&req.isDeveloper)
				case "hasDataTableAndViewAccess":
					return rd.flag(&req.tableAccess)
				}
				return rd.json.Skip()
			})
		},
		judge: (*accessRequest).judge,
		do: func(ctx context.Context, c *call, req *accessRequest) (none struct{}, err error) {
			refs := req.refs()
			web.AddLog(ctx, slog.Int("requested", len(refs)))
			err = a.roster.SetAccess(ctx, c.caller, "", refs, roster.AccessChange{
				CanCreateBot: req.canCreateBot, IsDeveloper: req.isDeveloper, TableAccess: req.tableAccess,
			}, web.RequestID(ctx))
			if errors.Is(err, directory.ErrNotFound) {
				err = errUnknownEmails // without the text, which is a stranger's
			}
			return none, err
		},
		write: func(w *bufio.Writer, _ *accessRequest, _ struct{}, _ bool) {
			w.WriteString(`["SUCCESS"]`) //nolint:errcheck // sticky
		},
	}.on(a)
}
