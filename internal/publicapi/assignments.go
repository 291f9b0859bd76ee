package publicapi

import (
	"bufio"
	"context"
	"log/slog"
	"slices"

	"roster/internal/directory"
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
	return bodied[[]directory.RoleAssignment, []*directory.AssignmentFailure]{
		read: readAssignments,
		judge: func(items *[]directory.RoleAssignment) error {
			if len(*items) == 0 {
				return errValidation
			}
			return nil
		},
		do: func(ctx context.Context, c *call, items *[]directory.RoleAssignment) ([]*directory.AssignmentFailure, error) {
			failures, err := a.roster.AssignRoles(ctx, c.caller, "", kind, *items, web.RequestID(ctx))
			if err == nil {
				failed := 0
				for _, failure := range failures {
					if failure != nil {
						failed++
					}
				}
				web.AddLog(ctx, slog.Int("items", len(*items)), slog.Int("failed", failed))
			}
			return failures, err
		},
		write: writeAssigned,
	}.on(a)
}

func writeAssigned(w *bufio.Writer, items *[]directory.RoleAssignment, failures []*directory.AssignmentFailure, codes bool) {
	sep := byte('[')
	var item []byte
	for i, failure := range failures {
		item = appendAssigned(append(item[:0], sep), (*items)[i].RoleID, failure, codes)
		w.Write(item) //nolint:errcheck // sticky
		sep = ','
	}
	w.WriteByte(']') //nolint:errcheck // sticky
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

// readAssignments reads a list of assignments. An item counts as one id, as each
// of its users and groups does.
func readAssignments(rd *idReader, items *[]directory.RoleAssignment) error {
	var present bool
	return rd.items(&present, 1, func() error {
		var item directory.RoleAssignment
		var addUsers, addOrgUsers, removeUsers, removeOrgUsers idList
		err := rd.json.Object(func(key string) error {
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
		item.AddUsers = slices.Concat(addUsers.refs, addOrgUsers.refs)
		item.RemoveUsers = slices.Concat(removeUsers.refs, removeOrgUsers.refs)
		*items = append(*items, item)
		return err
	})
}
