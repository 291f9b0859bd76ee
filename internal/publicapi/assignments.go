package publicapi

import (
	"bufio"
	"log/slog"

	"roster/internal/directory"
	"roster/internal/jsonstream"
	"roster/internal/web"
)

// Messages of the reasons why an item was not done.
const (
	msgInvalidRole   = "Invalid roleId"
	msgInvalidBot    = "Invalid botId"
	msgGroupNotFound = "Group not found. Please check the provided group name."
)

// assignRoles makes the endpoint that gives and takes roles of a kind.
func (a *API) assignRoles(kind directory.RoleKind) func(*call) error {
	return func(c *call) error {
		options, err := readOptions(c.r)
		if err == nil && (options.dryRun || options.atomic) {
			err = errValidation // there is neither here, and to go on would do what was not wanted
		}
		if err != nil {
			return err
		}
		items, release, err := a.readAssignments(c)
		if err != nil {
			return err
		}
		defer release()
		ctx, cancel := verbContext(c.r)
		defer cancel()
		failures, err := a.roster.AssignRoles(ctx, c.caller, "", kind, items, web.RequestID(ctx))
		if err != nil {
			return err
		}
		answer(c.w, func(w *bufio.Writer) {
			failed := 0
			sep := byte('[')
			var item []byte
			for i, failure := range failures {
				item = appendAssigned(append(item[:0], sep), items[i].RoleID, failure, options.codes)
				w.Write(item) //nolint:errcheck // sticky
				sep = ','
				if failure != nil {
					failed++
				}
			}
			w.WriteByte(']') //nolint:errcheck // sticky
			web.AddLog(ctx, slog.Int("items", len(items)), slog.Int("failed", failed))
		})
		return nil
	}
}

func appendAssigned(b []byte, roleID string, failure *directory.AssignmentFailure, codes bool) []byte {
	status := "success"
	if failure != nil {
		status = "failure"
	}
	b = appendField(b, "{", "status", status)
	b = appendField(b, ",", "roleId", roleID)
	if failure != nil {
		b = append(b, `,"reason":`...)
		b = appendReason(b, assignmentMessage(failure), func(b []byte) []byte {
			if codes {
				b = appendField(b, ",", "reasonCode", string(failure.Reason))
			}
			return b
		})
	}
	return append(b, '}')
}

func assignmentMessage(f *directory.AssignmentFailure) string {
	switch f.Reason {
	case directory.ReasonInvalidRole:
		return msgInvalidRole
	case directory.ReasonInvalidBot:
		return msgInvalidBot
	case directory.ReasonGroupNotFound:
		return msgGroupNotFound
	}
	return message(f.User.Kind, f.Reason)
}

// readAssignments reads the body. release gives back what it holds of the load,
// once the call has been answered.
func (a *API) readAssignments(c *call) (items []directory.RoleAssignment, release func(), err error) {
	if c.r.ContentLength > a.limits.MaxBody {
		return nil, nil, errTooLarge(a.limits.MaxBody)
	}
	held := a.load.hold(c.caller.Account)
	b := newBody(c.r.Body, a.limits.MaxBody, held)
	rd := &assignmentReader{idReader: newIDReader(b, a.limits)}
	switch err = rd.read(); {
	case err != nil:
		err = bodyError(err, b)
	case rd.wrongType || len(rd.items) == 0 && !rd.tooMany:
		err = errValidation
	case rd.tooMany:
		err = errTooMany(a.limits.MaxIDs)
	}
	if err != nil {
		held.release()
	}
	return rd.items, held.release, err
}

// assignmentReader reads a list of assignments as a stream. An item counts as one
// id, as each of its users and groups does.
type assignmentReader struct {
	idReader
	items []directory.RoleAssignment
}

func (rd *assignmentReader) read() error {
	kind, err := rd.json.Kind()
	switch {
	case err != nil:
		return err
	case kind == jsonstream.Array:
		err = rd.json.Array(rd.item)
	default:
		rd.wrongType = true
		err = rd.json.Skip()
	}
	if err != nil {
		return err
	}
	return rd.json.End()
}

// item reads an item of the list.
func (rd *assignmentReader) item() error {
	kind, err := rd.json.Kind()
	switch {
	case err != nil:
		return err
	case kind != jsonstream.Object:
		rd.wrongType = true
		return rd.json.Skip()
	case rd.ids == rd.maxIDs:
		rd.tooMany = true
		return rd.json.Skip()
	}
	if err := rd.held.addID(); err != nil {
		return err
	}
	rd.ids++
	var item directory.RoleAssignment
	var addUsers, addOrgUsers, removeUsers, removeOrgUsers idList
	err = rd.json.Object(func(key string) error {
		switch key {
		case "roleId":
			return rd.text(&item.RoleID)
		case "botId":
			return rd.text(&item.BotID)
		case "addUsers":
			return rd.list(&addUsers, directory.ByEmail)
		case "addOrgUserIds":
			return rd.list(&addOrgUsers, directory.ByOrgUserID)
		case "removeUsers":
			return rd.list(&removeUsers, directory.ByEmail)
		case "removeOrgUserIds":
			return rd.list(&removeOrgUsers, directory.ByOrgUserID)
		case "addGroups":
			return rd.names(&item.AddGroups)
		case "removeGroups":
			return rd.names(&item.RemoveGroups)
		}
		return rd.json.Skip()
	})
	item.AddUsers = append(addUsers.refs, addOrgUsers.refs...)
	item.RemoveUsers = append(removeUsers.refs, removeOrgUsers.refs...)
	rd.items = append(rd.items, item)
	return err
}
