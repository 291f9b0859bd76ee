package roster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/excerpt"
	"roster/internal/store"
)

// ImportRow is a person to be imported, as the file has it.
type ImportRow struct {
	Line      int // in the file, from 1
	Email     string
	OrgUserID string
	Profile   directory.Profile
}

// ImportOptions say what to do with rows that are not plainly new.
type ImportOptions struct {
	// SkipBad imports the good rows though there are bad ones.
	SkipBad bool
	// Update changes members who exist already; else their rows are bad.
	Update bool
	// DryRun changes nothing: the outcome is what an import at this moment would
	// come to.
	DryRun bool
}

// BadRow is a row that cannot be imported.
type BadRow struct {
	Line   int    `json:"line"`
	Email  string `json:"emailId"`
	Reason string `json:"reason"`
}

// Imported is the outcome of an import.
type Imported struct {
	Created int      `json:"created"`
	Updated int      `json:"updated"`
	Bad     []BadRow `json:"bad"`
}

// importAttempts is how often an import starts over when others make the same
// people members at the same time.
const importAttempts = 3

// errBadRows ends an import that must not skip bad rows.
var errBadRows = errors.New("rows cannot be imported")

// ImportUsers makes the rows members of the account, in one transaction. Rows
// that cannot be taken come back in the order of the file; with any of them
// nothing at all is imported, unless o.SkipBad. New members are "not active". A
// person needs the right to change users; an app may not import.
func (r *Roster) ImportUsers(ctx context.Context, caller auth.Caller, accountID string, rows []ImportRow, o ImportOptions) (Imported, error) {
	account, err := r.accountFor(ctx, caller, accountID, directory.RightUsers.Change())
	if err != nil {
		return Imported{}, err
	}
	im := &importer{options: o}
	im.check(rows)
	if len(im.bad) > 0 && !o.SkipBad || len(im.good) == 0 {
		return im.outcome(), nil
	}
	change := store.Change{Account: account.ID, Actor: caller.Actor}
	if !o.DryRun {
		change.IDs = store.MemberIDs(len(im.good))
	}
	for range importAttempts {
		err = r.store.Write(ctx, change, func(tx *store.Tx) error { return im.write(ctx, tx) })
		// Somebody else made one of the members after this transaction had
		// looked for them. Looking again will find them.
		if !errors.Is(err, directory.ErrExists) {
			break
		}
	}
	if errors.Is(err, errBadRows) || errors.Is(err, errAsItIs) {
		return im.outcome(), nil
	}
	if err != nil {
		return Imported{}, fmt.Errorf("import users: %w", err)
	}
	return im.outcome(), nil
}

type goodRow struct {
	row   *ImportRow
	email directory.Email
	orgID string
}

type importer struct {
	options ImportOptions
	good    []goodRow // sorted by key after check
	bad     []BadRow  // as the file shows
	taken   []BadRow  // as the members show who exist
	created int
	updated int
}

func badRow(row *ImportRow, reason string) BadRow {
	return BadRow{Line: row.Line, Email: excerpt.Of(row.Email), Reason: reason}
}

// check sorts out what the file alone shows to be wrong.
func (im *importer) check(rows []ImportRow) {
	emails := make(map[string]int, len(rows))
	orgIDs := make(map[string]int)
	for i := range rows {
		row := &rows[i]
		email, err := directory.ParseEmail(row.Email)
		if err != nil {
			im.bad = append(im.bad, badRow(row, err.Error()))
			continue
		}
		if line, twice := emails[email.Key]; twice {
			im.bad = append(im.bad, badRow(row, fmt.Sprintf("the address is in line %d already", line)))
			continue
		}
		orgID := ""
		if strings.TrimSpace(row.OrgUserID) != "" {
			if orgID, err = directory.ParseOrgUserID(row.OrgUserID); err != nil {
				im.bad = append(im.bad, badRow(row, err.Error()))
				continue
			}
			if line, twice := orgIDs[orgID]; twice {
				im.bad = append(im.bad, badRow(row, fmt.Sprintf("the orgUserId is in line %d already", line)))
				continue
			}
		}
		if field := row.Profile.Invalid(); field != "" {
			im.bad = append(im.bad, badRow(row, field+" is too long or has control characters"))
			continue
		}
		// A bad row takes nothing: the next one with its ids may be good.
		emails[email.Key] = row.Line
		if orgID != "" {
			orgIDs[orgID] = row.Line
		}
		im.good = append(im.good, goodRow{row, email, orgID})
	}
	slices.SortFunc(im.good, func(a, b goodRow) int { return strings.Compare(a.email.Key, b.email.Key) })
}

// write does the import inside the transaction. It leaves errBadRows when the
// members that exist make rows bad and those may not be skipped.
func (im *importer) write(ctx context.Context, tx *store.Tx) error {
	create, update, err := im.split(ctx, tx)
	if err != nil {
		return err
	}
	if len(im.bad)+len(im.taken) > 0 && !im.options.SkipBad || len(create)+len(update) == 0 {
		return errBadRows
	}
	if !im.options.DryRun {
		if err := im.apply(ctx, tx, create, update); err != nil {
			return err
		}
	}
	im.created, im.updated = len(create), len(update)
	if tx.Silent() {
		return errAsItIs
	}
	return nil
}

// apply makes and changes the members.
func (im *importer) apply(ctx context.Context, tx *store.Tx, create []directory.NewMember, update []directory.MemberChange) error {
	if err := tx.ChangeUsers(ctx, nil, directory.UserChanges{Members: im.changes(update)}); err != nil {
		return err
	}
	if len(create) == 0 {
		return nil
	}
	_, err := tx.CreateMembers(ctx, create)
	return err
}

// split parts the good rows into new members and changes of those there are.
func (im *importer) split(ctx context.Context, tx *store.Tx) (create []directory.NewMember, update []directory.MemberChange, err error) {
	im.taken = nil
	var keys, orgIDs []string
	for _, g := range im.good {
		keys = append(keys, g.email.Key)
		if g.orgID != "" {
			orgIDs = append(orgIDs, g.orgID)
		}
	}
	find := tx.HoldMembers
	if im.options.Update {
		find = tx.LockMembers
	}
	members, err := find(ctx, keys, orgIDs)
	if err != nil {
		return nil, nil, err
	}
	var states map[directory.MemberID]directory.MemberState
	if im.options.Update {
		if states, err = tx.States(ctx, members); err != nil {
			return nil, nil, err
		}
	}
	byKey := make(map[string]directory.Candidate, len(members))
	byOrgID := make(map[string]string, len(members))
	for _, m := range members {
		byKey[m.EmailKey] = m
		if m.OrgUserID != "" {
			byOrgID[m.OrgUserID] = m.EmailKey
		}
	}
	for _, g := range im.good {
		member, exists := byKey[g.email.Key]
		owner, taken := byOrgID[g.orgID]
		switch {
		case exists && !im.options.Update:
			im.taken = append(im.taken, badRow(g.row, "the address is a member already"))
		case taken && owner != g.email.Key:
			im.taken = append(im.taken, badRow(g.row, "the orgUserId belongs to another member"))
		case exists:
			update = append(update, g.change(member, states[member.Member]))
		default:
			create = append(create, directory.NewMember{
				Email: g.email, OrgUserID: g.orgID, Profile: g.row.Profile, Status: directory.StatusInactive,
				Flags: directory.NewUserFlags(),
			})
		}
	}
	return create, update, nil
}

// change is what the row makes of a member. What it leaves empty stays.
func (g *goodRow) change(member directory.Candidate, before directory.MemberState) directory.MemberChange {
	after := before
	if g.orgID != "" {
		after.OrgUserID = g.orgID
	}
	row := g.row.Profile
	fields := after.Profile.Fields()
	for i, f := range row.Fields() {
		if *f.Text != "" {
			*fields[i].Text = *f.Text
		}
	}
	return directory.MemberChange{Member: member.Member, Person: member.Person, Before: before, After: after}
}

// changes leaves out the members who are as their rows have them.
func (im *importer) changes(update []directory.MemberChange) []directory.MemberChange {
	update = slices.DeleteFunc(slices.Clone(update), func(c directory.MemberChange) bool {
		return !c.ProfileChanges() && !c.OrgUserIDChanges()
	})
	slices.SortFunc(update, func(a, b directory.MemberChange) int { return cmp.Compare(a.Member, b.Member) })
	return update
}

func (im *importer) outcome() Imported {
	bad := slices.Concat(im.bad, im.taken)
	slices.SortFunc(bad, func(a, b BadRow) int { return a.Line - b.Line })
	return Imported{Created: im.created, Updated: im.updated, Bad: bad}
}
