package console

import (
	"cmp"
	"encoding/json"
	"errors"
	"net/http"
	"slices"

	"roster/internal/directory"
	"roster/internal/roster"
	"roster/internal/web"
)

// ownersView are those of a list who stay for the bots that they own, and the form
// that passes the bots on.
type ownersView struct {
	Total, Bots int
	All         ownedBots // also of those who are not shown
	Shown       []refused // the first of them
	NewOwner    string    // as it was typed
	Chosen      []string  // of Shown, by name
	Error       string
	New, Gone   []ownedBot // since the page before was made
	Passed      int        // bots that NewOwner was just given
}

// ownedBots are the names of bots, by their owners as the list names them and by their
// ids.
type ownedBots map[string]map[string]string

// ownedBot is one of them.
type ownedBot struct{ Name, Owner string }

func ownedBotsOf(refs []directory.UserRef, owning []directory.Refusal) ownedBots {
	all := ownedBots{}
	for _, r := range owning {
		bots := make(map[string]string, len(r.Bots))
		for i := range r.Bots {
			bots[r.Bots[i].PublicID] = r.Bots[i].Name
		}
		all[refs[r.Ref].Text] = bots
	}
	return all
}

// Text is what a form carries.
func (b ownedBots) Text() (string, error) {
	text, err := json.Marshal(b)
	return string(text), err
}

// without are those of b whom other does not have with the same owner, by name.
func (b ownedBots) without(other ownedBots) (rest []ownedBot) {
	for owner, bots := range b {
		for id, name := range bots {
			if _, has := other[owner][id]; !has {
				rest = append(rest, ownedBot{name, owner})
			}
		}
	}
	slices.SortFunc(rest, func(x, y ownedBot) int {
		return cmp.Or(cmp.Compare(x.Name, y.Name), cmp.Compare(x.Owner, y.Owner))
	})
	return rest
}

// Chose reports whether an owner's box was checked.
func (v ownersView) Chose(name string) bool { return slices.Contains(v.Chosen, name) }

// of fills in who owns what.
func (v ownersView) of(refs []directory.UserRef, owning []directory.Refusal) ownersView {
	v.Total, v.Bots, v.Shown = len(owning), countBots(owning), refusedOf(refs, owning)
	v.All = ownedBotsOf(refs, owning)
	return v
}

func countBots(owning []directory.Refusal) (n int) {
	for i := range owning {
		n += len(owning[i].Bots)
	}
	return n
}

// partOwners parts those who are refused for their bots from the others.
func partOwners(all []directory.Refusal) (owning, others []directory.Refusal) {
	for _, r := range all {
		if r.Reason == directory.ReasonBotOwner {
			owning = append(owning, r)
		} else {
			others = append(others, r)
		}
	}
	return owning, others
}

// passOnBots gives the bots of people on the list of a preview, of all of them or of
// those who are chosen, to somebody who is not on it, and shows the preview again.
func (q *request) passOnBots() error {
	if err := q.caller.Require(q.session.In.Account.ID, directory.RightBots.Change()); err != nil {
		return err // before anything is said about the list
	}
	p, ids, err := q.previewed()
	if err != nil {
		return err
	}
	form := q.r.PostForm
	p.Owners.NewOwner, p.Owners.Chosen = form.Get("newOwner"), form["owner"]
	refs := userRefs(ids, p.ByOrg)
	owners, problem, err := q.whoseBots(refs, &p.Owners)
	if err == nil && problem == "" {
		problem, err = q.cannotOwn(refs, p.Owners.NewOwner)
	}
	if err != nil {
		return err
	}
	if problem == "" {
		p.Owners.Passed, err = q.roster.TransferBots(q.r.Context(), q.caller, q.account(), owners, p.Owners.NewOwner, web.RequestID(q.r.Context()))
		if errors.Is(err, directory.ErrNotFound) || errors.Is(err, directory.ErrInvalid) { // somebody has left meanwhile
			problem = sentence(err.Error())
		} else if err != nil {
			return err
		}
	}
	if problem != "" {
		p.Owners.Error = problem
		return q.showPreview(http.StatusUnprocessableEntity, p, ids)
	}
	p.Owners.Chosen = nil
	return q.showPreview(http.StatusOK, p, ids)
}

// whoseBots are those of the list whose bots the form is about, or a problem in words.
// Which bots the page did not show, or showed and are gone, it notes in v.
func (q *request) whoseBots(refs []directory.UserRef, v *ownersView) (owners []directory.UserRef, problem string, err error) {
	out, err := q.roster.RemoveUsers(q.r.Context(), q.caller, refs, roster.RemovalOptions{DryRun: true})
	if err != nil {
		return nil, "", err
	}
	owning, _ := partOwners(out.Refused)
	var seen ownedBots
	if json.Unmarshal([]byte(q.r.PostForm.Get("bots")), &seen) != nil {
		return nil, "", errForm
	}
	now := ownedBotsOf(refs, owning)
	if v.New, v.Gone = now.without(seen), seen.without(now); len(v.New)+len(v.Gone) > 0 {
		return nil, "Their bots have changed meanwhile. Nothing was passed on. Look at them again.", nil
	}
	chosen := q.r.PostForm.Get("whose") == "chosen"
	if !chosen && len(v.Chosen) > 0 { // Enter in the field is as the first button
		return nil, "Boxes are checked. Pass on those of the chosen, or clear the boxes.", nil
	}
	for _, r := range owning {
		if ref := refs[r.Ref]; !chosen || v.Chose(ref.Text) {
			owners = append(owners, ref)
		}
	}
	if len(owners) == 0 {
		return nil, "Choose whose bots are passed on.", nil
	}
	return owners, "", nil
}

// cannotOwn says why somebody cannot take over the bots of people on the list, or
// nothing.
func (q *request) cannotOwn(refs []directory.UserRef, address string) (problem string, err error) {
	found, err := q.roster.ReadUsers(q.r.Context(), q.caller, q.account(), []directory.UserRef{{Text: address}})
	if err != nil {
		return "", err
	}
	user := found[0]
	if user == nil {
		return "No user of this account has that address.", nil
	}
	self := directory.UserRef{Text: user.Email}
	if refs[0].Kind == directory.ByOrgUserID {
		self = directory.UserRef{Text: user.OrgUserID, Kind: directory.ByOrgUserID}
	}
	key, ok := self.Key()
	named := func(ref directory.UserRef) bool { other, valid := ref.Key(); return valid && other == key }
	if ok && slices.ContainsFunc(refs, named) {
		return "They are on the list themselves. Name somebody who stays.", nil
	}
	return "", nil
}
