package publicapi

import (
	"bufio"
	"context"
	"log/slog"

	"roster/internal/directory"
	"roster/internal/jsonstream"
	"roster/internal/roster"
	"roster/internal/web"
)

// Messages about users who are made and changed.
const (
	msgCreated       = "Users are created Successfully"
	msgUpdated       = "Users are updated Successfully"
	msgInvalidUser   = "INVALID_EMAIL"
	msgInvalidGroup  = "Invalid groupId"
	msgInvalidPrefix = "Invalid "
)

// userWeight is how many ids a user of a call takes as much memory as.
const userWeight = 4

// usersRequest is the body of a call that makes or changes users.
type usersRequest struct {
	items     []directory.UserItem
	present   bool
	sendEmail *bool // absent is true
}

// judge refuses a body that names nobody.
func (u *usersRequest) judge() error {
	switch {
	case !u.present:
		return errValidation
	case len(u.items) == 0:
		return errEmptyList("users")
	}
	return nil
}

// userVerb is CreateUsers or UpdateUsers.
type userVerb = func(context.Context, *call, []directory.UserItem, roster.UserOptions) ([]directory.UserFailure, error)

// usersBy makes the endpoint of a verb. changes says that groups and roles
// come as what to add and what to remove.
func (a *API) usersBy(verb userVerb, changes bool, msg string) func(*call) error {
	return bodied[usersRequest, []directory.UserFailure]{
		read: func(rd *idReader, req *usersRequest) error {
			return rd.object(func(key string) error {
				switch key {
				case "users":
					return rd.items(&req.present, userWeight, func() error {
						item, err := readUser(rd, changes)
						req.items = append(req.items, item)
						return err
					})
				case "sendEmail":
					return rd.flag(&req.sendEmail)
				}
				return rd.json.Skip()
			})
		},
		judge: (*usersRequest).judge,
		do: func(ctx context.Context, c *call, req *usersRequest) ([]directory.UserFailure, error) {
			failed, err := verb(ctx, c, req.items, roster.UserOptions{
				RequestID: web.RequestID(ctx), SendEmail: req.sendEmail == nil || *req.sendEmail,
			})
			if err == nil {
				web.AddLog(ctx, slog.Int("requested", len(req.items)), slog.Int("failed", len(failed)))
			}
			return failed, err
		},
		write: func(w *bufio.Writer, req *usersRequest, failed []directory.UserFailure, codes bool) {
			writeUserFailures(w, msg, req.items, failed, codes, changes)
		},
	}.on(a)
}

func (a *API) createUsers(ctx context.Context, c *call, items []directory.UserItem, o roster.UserOptions) ([]directory.UserFailure, error) {
	return a.roster.CreateUsers(ctx, c.caller, "", items, o)
}

func (a *API) updateUsers(ctx context.Context, c *call, items []directory.UserItem, o roster.UserOptions) ([]directory.UserFailure, error) {
	return a.roster.UpdateUsers(ctx, c.caller, "", items, o)
}

// readUser reads an item of the list of users.
func readUser(rd *idReader, changes bool) (item directory.UserItem, err error) {
	return item, rd.json.Object(func(key string) error {
		switch key {
		case "userInfo":
			return rd.object(func(key string) error { return readUserInfo(rd, key, &item) })
		case "groups":
			if changes {
				return readAddRemove(rd, &item.AddGroups, &item.RemoveGroups, (*idReader).objectIDs)
			}
			return rd.objectIDs(&item.AddGroups)
		case "roles":
			if changes {
				return readAddRemove(rd, &item.AddRoles, &item.RemoveRoles, readRoles)
			}
			return readRoles(rd, &item.AddRoles)
		case "assignBotTasks":
			return readTasks(rd, &item.Tasks)
		case "canCreateBot":
			return rd.flag(&item.CanCreateBot)
		case "isDeveloper":
			return rd.flag(&item.IsDeveloper)
		}
		return rd.json.Skip()
	})
}

// readUserInfo reads a member of userInfo.
func readUserInfo(rd *idReader, key string, item *directory.UserItem) error {
	switch key {
	case "emailId":
		return rd.text(&item.Email)
	case "orgUserId":
		return rd.text(&item.OrgUserID)
	}
	for place, field := range item.Profile.Fields() {
		if field.Name == key {
			kind, err := rd.json.Kind()
			if err != nil {
				return err
			}
			if kind != jsonstream.Null {
				item.Given = item.Given.With(place)
			}
			return rd.text(field.Text)
		}
	}
	return rd.json.Skip()
}

// readAddRemove reads what is to be added and removed, each by read.
func readAddRemove[T any](rd *idReader, add, remove *[]T, read func(*idReader, *[]T) error) error {
	return rd.object(func(key string) error {
		switch key {
		case "addTo":
			return read(rd, add)
		case "removeFrom":
			return read(rd, remove)
		}
		return rd.json.Skip()
	})
}

// objectIDs reads a list of public ids. They take memory, and count for nothing
// else: the limit of a call is about users.
func (rd *idReader) objectIDs(into *[]string) error {
	var present bool
	return rd.array(&present, func() error {
		kind, err := rd.json.Kind()
		if err != nil {
			return err
		}
		if kind != jsonstream.String {
			rd.wrongType = true
			return rd.json.Skip()
		}
		if err := rd.held.addID(); err != nil {
			return err
		}
		id, err := rd.json.Text()
		*into = append(*into, id)
		return err
	})
}

// parts reads a list of objects that belong to a user, and pays for each.
func (rd *idReader) parts(present *bool, read func() error) error {
	return rd.array(present, func() error {
		kind, err := rd.json.Kind()
		if err != nil {
			return err
		}
		if kind != jsonstream.Object {
			rd.wrongType = true
			return rd.json.Skip()
		}
		if err := rd.held.addID(); err != nil {
			return err
		}
		return read()
	})
}

// readRoles reads a list of roles; streamId is the older spelling of botId.
func readRoles(rd *idReader, into *[]directory.RoleRef) error {
	var present bool
	return rd.parts(&present, func() error {
		var ref directory.RoleRef
		var stream string
		err := rd.json.Object(func(key string) error {
			switch key {
			case "roleId":
				return rd.text(&ref.RoleID)
			case "botId":
				return rd.text(&ref.BotID)
			case "streamId":
				return rd.text(&stream)
			}
			return rd.json.Skip()
		})
		if ref.BotID == "" {
			ref.BotID = stream
		}
		*into = append(*into, ref)
		return err
	})
}

// readTasks reads the tasks of a user, which are nil where the key is absent.
func readTasks(rd *idReader, into **[]directory.TaskRef) error {
	var present bool
	var tasks []directory.TaskRef
	err := rd.parts(&present, func() error {
		var ref directory.TaskRef
		var stream string
		err := rd.json.Object(func(key string) error {
			switch key {
			case "botId":
				return rd.text(&ref.BotID)
			case "streamId":
				return rd.text(&stream)
			case "dialogs":
				return rd.objectIDs(&ref.Dialogs)
			}
			return rd.json.Skip()
		})
		if ref.BotID == "" {
			ref.BotID = stream
		}
		tasks = append(tasks, ref)
		return err
	})
	if present {
		*into = &tasks
	}
	return err
}

// writeUserFailures writes the published answer: the message when every item was
// done, else those that were not. Who is changed may be named by org id.
func writeUserFailures(w *bufio.Writer, msg string, items []directory.UserItem, failed []directory.UserFailure, codes, changes bool) {
	if len(failed) == 0 {
		w.WriteString(`{"msg":"` + msg + `"}`) //nolint:errcheck // sticky
		return
	}
	sep := `{"failedUserDetails":[`
	var b []byte
	for _, f := range failed {
		item := &items[f.Item]
		b = append(append(b[:0], sep...), `{"userInfo":{`...)
		ref := directory.UserRef{Text: item.Email}
		if changes {
			ref = item.Ref()
		}
		b = appendField(b, "", idKey(ref.Kind), ref.Text)
		b = appendField(b, ",", "firstName", item.Profile.FirstName)
		b = appendFailure(b, userMessage(ref.Kind, f), string(f.Reason), codes)
		w.Write(append(b, "}}"...)) //nolint:errcheck // sticky
		sep = ","
	}
	w.WriteString("]}") //nolint:errcheck // sticky
}

// idKey is the key of an id of the kind.
func idKey(kind directory.IDKind) string {
	if kind == directory.ByOrgUserID {
		return "orgUserId"
	}
	return "emailId"
}

// appendFailure writes the keys by which an item says that and why it failed.
func appendFailure(b []byte, msg, code string, codes bool) []byte {
	b = append(b, `,"status":"failure","reason":`...)
	return appendReason(b, msg, func(b []byte) []byte {
		if codes {
			b = appendField(b, ",", "reasonCode", code)
		}
		return b
	})
}

// userMessage is the published text of a failure.
func userMessage(kind directory.IDKind, f directory.UserFailure) string {
	switch f.Reason {
	case directory.ReasonInvalidID:
		if kind == directory.ByEmail {
			return msgInvalidUser
		}
		return msgInvalidOrgUserID
	case directory.ReasonInvalidGroup:
		return msgInvalidGroup
	case directory.ReasonInvalidRole:
		return msgInvalidRole
	case directory.ReasonInvalidBot:
		return msgInvalidBot
	case directory.ReasonInvalidOrgUserID:
		return msgInvalidOrgUserID
	case directory.ReasonInvalidField:
		return msgInvalidPrefix + f.Field
	}
	return message(kind, f.Reason)
}
