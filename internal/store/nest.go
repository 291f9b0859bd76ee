package store

import (
	"context"

	"roster/internal/directory"
	"roster/internal/excerpt"
)

// Groups within groups. Nothing may come to be within itself, by however many
// steps: two who nest at once could each see only half of a circle, so they take
// turns by the account's row.
const (
	lockAccount = `SELECT id FROM accounts WHERE id = $1`
	// Whether the group $3 is above $2, or is it.
	isAbove = `WITH RECURSIVE up (account_id, id) AS (
  SELECT CAST($1 AS BIGINT), CAST($2 AS BIGINT)
  UNION SELECT x.account_id, x.parent_id FROM up CROSS JOIN group_groups x WHERE x.account_id = up.account_id AND x.child_id = up.id
) SELECT COUNT(*) FROM up WHERE id = $3`
	groupsByPublicID = `SELECT o.id, o.public_id, o.name, o.description, o.created_at FROM ` + textList + `
CROSS JOIN groups o WHERE o.account_id = j.account_id AND o.public_id = j.atom ORDER BY o.id`
	insertNesting = `INSERT INTO group_groups (account_id, parent_id, child_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING RETURNING child_id`
	deleteNesting = `DELETE FROM group_groups WHERE account_id = $1 AND parent_id = $2 AND child_id = $3 RETURNING child_id`
)

// NestGroup puts a group into another, both named by their public ids, and
// reports whether it was not there already; if it was, it writes and records
// nothing. When the other one is within it, or is it, the error wraps
// directory.ErrState.
func (tx *Tx) NestGroup(ctx context.Context, childID, parentID string) (changed bool, err error) {
	child, parent, err := tx.holdNesting(ctx, childID, parentID)
	if err != nil {
		return false, err
	}
	var circle int
	if err := tx.row(ctx, isAbove, tx.account, parent.ID, child.ID).Scan(&circle); err != nil {
		return false, wrapf(err, "look for a circle of groups")
	}
	if circle > 0 {
		return false, directory.Errorf(directory.ErrState, "the group %q would be within itself", excerpt.Of(child.Name))
	}
	return tx.changeNesting(ctx, insertNesting, directory.AuditGroupNested, child, parent)
}

// UnnestGroup takes a group out of another, both named by their public ids, and
// reports whether it was in it; if it was not, it writes and records nothing.
func (tx *Tx) UnnestGroup(ctx context.Context, childID, parentID string) (changed bool, err error) {
	child, parent, err := tx.holdNesting(ctx, childID, parentID)
	if err != nil {
		return false, err
	}
	return tx.changeNesting(ctx, deleteNesting, directory.AuditGroupUnnested, child, parent)
}

// holdNesting waits for its turn to change how the account's groups are nested,
// and keeps two of them from being deleted.
func (tx *Tx) holdNesting(ctx context.Context, childID, parentID string) (child, parent directory.Group, err error) {
	var account directory.AccountID
	if err := tx.row(ctx, lockAccount+tx.engine.lockRows, tx.account).Scan(&account); err != nil {
		return child, parent, wrapf(err, "lock the account")
	}
	// One statement for both, so that they are held in the order of their ids.
	found := map[string]directory.Group{}
	tx.ask(groupsByPublicID+tx.engine.holdOf("o"), []any{tx.account, jsonTexts(storableOf(childID, parentID))}, func(row scanner) error {
		group, err := scanGroup(row)
		found[group.PublicID] = group
		return err
	})
	if err := tx.flush(ctx); err != nil {
		return child, parent, wrapf(err, "find the groups")
	}
	for _, g := range []struct {
		id   string
		into *directory.Group
	}{{childID, &child}, {parentID, &parent}} {
		group, ok := found[g.id]
		if !ok {
			return child, parent, wrapf(directory.ErrNotFound, "group %q", excerpt.Of(g.id))
		}
		*g.into = group
	}
	return child, parent, nil
}

func (tx *Tx) changeNesting(ctx context.Context, query string, kind directory.AuditKind, child, parent directory.Group) (changed bool, err error) {
	tx.ask(query, []any{tx.account, parent.ID, child.ID}, func(scanner) error {
		changed = true
		return nil
	})
	if err := tx.flush(ctx); err != nil || !changed {
		return false, wrapf(err, "change how groups are nested")
	}
	tx.Record(directory.AuditRun{Kind: kind, Object: int64(child.ID)})
	return true, nil
}
