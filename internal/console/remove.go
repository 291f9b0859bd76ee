package console

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"

	"roster/internal/directory"
	"roster/internal/excerpt"
	"roster/internal/peoplefile"
	"roster/internal/roster"
	"roster/internal/web"
)

// Bounds of a removal by the console.
const (
	maxList   = 20 << 20 // bytes of a form with a list of people
	maxPeople = 100_000  // of a list
	// atOnce is how many are removed while the browser waits; more are a job, whose
	// page shows how far it has come.
	atOnce = 1000
	// mostRefused is how many of the refused a page names.
	mostRefused = 200
)

// removeForm is the form of a list of people.
type removeForm struct {
	List  string
	ByOrg bool
	Error string
}

func (q *request) removePage() error { return q.show("remove", "Remove users", removeForm{}) }

// wrongList shows the form again, with what is wrong.
func (q *request) wrongList(f removeForm, text string) error {
	f.Error = text
	q.render(http.StatusUnprocessableEntity, "remove", "Remove users", f)
	return nil
}

// preview shows who would go and who would stay, and asks for the number.
type preview struct {
	Going, Staying int
	Refused        []refused // the first of them but for owners of bots
	Others         int       // how many they are in all
	Owners         ownersView
	Skipped        []int  // lines of the file that name nobody
	IDs            string // JSON array
	ByOrg          bool
	Key            string // by which the removal is made once, however often the form is sent
	Job            bool
	Error          string
}

// refused is somebody who is not removed, or not restored.
type refused struct {
	Name, Email string
	Reason      directory.Reason
	Bots        []directory.Bot
	Restoring   bool
}

// Why is the reason in words.
func (f refused) Why() string {
	if f.Restoring && f.Reason == directory.ReasonUserNotFound {
		return "Not among those of this removal who are out"
	}
	return whyText(f.Reason)
}

// whyText is a reason in words, or its code if it has none here.
func whyText(r directory.Reason) string {
	if text, ok := whyTexts[r]; ok {
		return text
	}
	return string(r)
}

var whyTexts = map[directory.Reason]string{
	directory.ReasonInvalidID:       "No address or id",
	directory.ReasonUserNotFound:    "Not a user of this account",
	directory.ReasonAccountOwner:    "Owns the account",
	directory.ReasonBotOwner:        "Owns bots",
	directory.ReasonUserExists:      "A user has this address again",
	directory.ReasonOrgUserIDIsUsed: "A user has this org user id now",
}

// SkippedLines is Skipped as the form carries it.
func (p preview) SkippedLines() string {
	lines := make([]string, len(p.Skipped))
	for i, line := range p.Skipped {
		lines[i] = strconv.Itoa(line)
	}
	return "[" + strings.Join(lines, ",") + "]"
}

// previewRemoval reads the list and tries it without removing anybody.
func (q *request) previewRemoval() error {
	if chosen := q.r.PostForm["user"]; len(chosen) > 0 { // in the list of users
		return q.showPreview(http.StatusOK, preview{}, chosen)
	}
	f := removeForm{List: q.r.PostForm.Get("list"), ByOrg: q.r.PostForm.Get("kind") == "orgUserId"}
	text, err := q.listText(f.List)
	if err != nil {
		return q.wrongList(f, sentence(err.Error()))
	}
	list, err := peoplefile.ReadIDs(text, f.ByOrg)
	switch {
	case err != nil:
		return q.wrongList(f, sentence(err.Error()))
	case len(list.IDs) == 0:
		return q.wrongList(f, "The list names nobody.")
	case len(list.IDs) > maxPeople:
		return q.wrongList(f, "The list names "+grouped(len(list.IDs))+" people; "+grouped(maxPeople)+" is the most.")
	}
	p := preview{Skipped: list.Skipped, ByOrg: list.ByOrgID}
	return q.showPreview(http.StatusOK, p, list.IDs)
}

// listText is the text of the uploaded file, or else of the field.
func (q *request) listText(field string) ([]byte, error) {
	file, header, err := q.r.FormFile("file")
	if errors.Is(err, http.ErrMissingFile) || errors.Is(err, http.ErrNotMultipart) || err == nil && header.Size == 0 {
		return peoplefile.Decode("the list", []byte(field))
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if strings.TrimSpace(field) != "" {
		return nil, directory.Errorf(directory.ErrInvalid, "give a list or a file, not both")
	}
	text, err := io.ReadAll(file)
	if err != nil {
		return nil, err
	}
	return peoplefile.Decode("the file", text)
}

// showPreview fills in what a removal of these people would do now.
func (q *request) showPreview(status int, p preview, ids []string) error {
	refs := userRefs(ids, p.ByOrg)
	out, err := q.roster.RemoveUsers(q.r.Context(), q.caller, refs, roster.RemovalOptions{DryRun: true})
	if err != nil {
		return err
	}
	text, err := json.Marshal(ids)
	if err != nil {
		return err
	}
	if p.Key == "" {
		p.Key = directory.NewRemovalID()
	}
	p.IDs, p.Going, p.Staying, p.Job = string(text), out.Removed, len(out.Refused), len(ids) > atOnce
	owning, others := partOwners(out.Refused)
	p.Refused, p.Others = refusedOf(refs, others), len(others)
	p.Owners = p.Owners.of(refs, owning)
	q.render(status, "removepreview", "Remove users?", p)
	return nil
}

// userRefs are the people whom ids name.
func userRefs(ids []string, byOrg bool) []directory.UserRef {
	refs := make([]directory.UserRef, len(ids))
	for i, id := range ids {
		refs[i].Text = id
		if byOrg {
			refs[i].Kind = directory.ByOrgUserID
		}
	}
	return refs
}

// refusedOf are the first of the refused, as a page names them.
func refusedOf(refs []directory.UserRef, all []directory.Refusal) (some []refused) {
	for _, r := range all[:min(len(all), mostRefused)] {
		name := r.Email
		if r.Ref < len(refs) {
			name = refs[r.Ref].Text
		}
		f := refused{Name: excerpt.Of(name), Email: r.Email, Reason: r.Reason, Bots: r.Bots}
		if f.Email == name {
			f.Email = ""
		}
		some = append(some, f)
	}
	return some
}

// previewed reads the list that a preview carries.
func (q *request) previewed() (p preview, ids []string, err error) {
	form := q.r.PostForm
	if err := json.Unmarshal([]byte(form.Get("ids")), &ids); err != nil || len(ids) == 0 || len(ids) > maxPeople {
		return p, nil, errForm
	}
	p.ByOrg, p.Key = form.Get("kind") == "orgUserId", form.Get("key")
	if skipped := form.Get("skipped"); skipped != "" && json.Unmarshal([]byte(skipped), &p.Skipped) != nil {
		return p, nil, errForm
	}
	return p, ids, nil
}

// removeUsers removes whom the preview showed, if the number that was typed is
// that of those who went in it.
func (q *request) removeUsers() error {
	p, ids, err := q.previewed()
	if err != nil {
		return err
	}
	if p.Key == "" {
		return errForm
	}
	expected, err := strconv.Atoi(q.r.PostForm.Get("going"))
	if err != nil {
		return errForm
	}
	typed := strings.NewReplacer(",", "", ".", "", " ", "", "\u00a0", "").Replace(q.r.PostForm.Get("number"))
	if n, err := strconv.Atoi(typed); err != nil || n != expected {
		p.Error = "Type the number of users who will be removed."
		return q.showPreview(http.StatusUnprocessableEntity, p, ids)
	}
	refs := userRefs(ids, p.ByOrg)
	request := directory.NewRequestHash("console removal", q.account(), q.r.PostForm.Get("kind"))
	request.Write([]byte(q.r.PostForm.Get("ids")))
	o := roster.RemovalOptions{RequestID: web.RequestID(q.r.Context()), Expected: &expected, Repeat: directory.NewRepeatKey(p.Key, request)}
	var removal string
	if len(refs) > atOnce {
		removal, err = q.queueRemoval(refs, o)
	} else {
		var out directory.Removal
		out, err = q.roster.RemoveUsers(q.r.Context(), q.caller, refs, o)
		removal = out.PublicID
	}
	if errors.Is(err, directory.ErrState) {
		p.Error = "The number has changed meanwhile. Look at the list again, and type the new one."
		return q.showPreview(http.StatusConflict, p, ids)
	}
	if err != nil {
		return err
	}
	return q.redirect("/removals/" + removal)
}

// queueRemoval makes it a job, if as many would leave now as are expected, and
// returns its public id.
func (q *request) queueRemoval(refs []directory.UserRef, o roster.RemovalOptions) (removal string, err error) {
	ctx := q.r.Context()
	if removal, err = q.roster.EarlierRemoval(ctx, q.caller, o.Repeat); err != nil || removal != "" {
		return removal, err
	}
	now, err := q.roster.RemoveUsers(ctx, q.caller, refs, roster.RemovalOptions{DryRun: true})
	if err != nil {
		return "", err
	}
	if now.Removed != *o.Expected {
		return "", directory.Errorf(directory.ErrState, "not %d but %d users would be removed", *o.Expected, now.Removed)
	}
	spool, err := q.roster.SpoolRemoval(q.caller)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, spool.Drop(context.WithoutCancel(ctx))) }()
	for _, ref := range refs {
		if _, err := spool.Add(ctx, ref); err != nil {
			return "", err
		}
	}
	record, _, err := spool.Queue(ctx, o.RequestID, o.Repeat)
	return record.PublicID, err
}
