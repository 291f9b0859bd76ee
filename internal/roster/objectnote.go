package roster

import (
	"encoding/json"
	"maps"

	"roster/internal/directory"
	"roster/internal/store"
)

// objectNote is what the audit record of a group, a role or a bot keeps of a
// change, and that of an account whose owner changed: what is there after it, what
// was there before, or of both only what differs. Of people it has ids alone, which
// stay when a membership is erased.
type objectNote struct {
	GroupID string       `json:"groupId,omitempty"`
	RoleID  string       `json:"roleId,omitempty"`
	BotID   string       `json:"botId,omitempty"`
	Before  objectFields `json:"before,omitzero"`
	After   objectFields `json:"after,omitzero"`
}

// objectFields are those of an object that have a value.
type objectFields struct {
	Name        string `json:"name,omitempty"`
	Description string `json:"description,omitempty"`
	Kind        string `json:"roleType,omitempty"`
	// Permissions are nil where they have not changed, and else all of them.
	Permissions *directory.Permissions `json:"permissions,omitempty"`
	In          string                 `json:"in,omitempty"`      // the id of a group in which it is nested
	Owner       string                 `json:"ownerId,omitempty"` // the id of a user
}

func groupFields(g directory.Group) objectFields {
	return objectFields{Name: g.Name, Description: g.Description}
}

func roleFields(r directory.Role) objectFields {
	return objectFields{Name: r.Name, Description: r.Description, Kind: string(r.Kind), Permissions: &r.Permissions}
}

// changes is the note without what is the same before and after.
func (n objectNote) changes() objectNote {
	for _, field := range []struct{ before, after *string }{
		{&n.Before.Name, &n.After.Name}, {&n.Before.Description, &n.After.Description}, {&n.Before.Kind, &n.After.Kind},
	} {
		if *field.before == *field.after {
			*field.before, *field.after = "", ""
		}
	}
	if b, a := n.Before.Permissions, n.After.Permissions; b != nil && a != nil && maps.Equal(*b, *a) {
		n.Before.Permissions, n.After.Permissions = nil, nil
	}
	return n
}

// record leaves the note with the transaction's first record, which is that of the
// object.
func (n objectNote) record(tx *store.Tx) error {
	body, err := json.Marshal(n)
	if err == nil {
		tx.Note(body)
	}
	return err
}
