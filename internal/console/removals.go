package console

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"roster/internal/csvfile"
	"roster/internal/directory"
	"roster/internal/excerpt"
	"roster/internal/peoplefile"
	"roster/internal/roster"
	"roster/internal/web"
)

// removalsOnPage is how many removals a page of their list has, and removedOnPage
// how many people a page of a removal.
const (
	removalsOnPage = 50
	removedOnPage  = 50
)

type removalsView struct {
	directory.RemovalPage
	Page int // from 1
	Wait roster.PurgeWait
}

// Pages is how many there are.
func (v removalsView) Pages() int { return (v.Total + removalsOnPage - 1) / removalsOnPage }

func (q *request) removalsPage() error {
	page := 1
	if text := q.r.URL.Query().Get("page"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > 1_000_000 {
			return errNoPage
		}
		page = n
	}
	list, err := q.roster.Removals(q.r.Context(), q.caller, q.account(), directory.Page{Limit: removalsOnPage, Offset: page - 1})
	if err != nil {
		return err
	}
	return q.show("removals", "Removals", removalsView{list, page, q.roster.PurgeWait()})
}

// removalView is a removal's page.
type removalView struct {
	directory.RemovalRecord
	Refusals []refused // the first of them
	People   directory.RemovedPage
	From     string // where the page of People begins
	Now      int64  // the server's time, in microseconds
	Wait     roster.PurgeWait
}

// TimeLeft says how long the removal can still be undone.
func (v removalView) TimeLeft() string {
	left := time.Duration(v.RestorableUntil.UnixMicro()-v.Now) * time.Microsecond
	days, hours := int((left+12*time.Hour).Hours())/24, int(left.Hours())
	switch {
	case days > 1:
		return grouped(days) + " days left"
	case hours > 1:
		return strconv.Itoa(hours) + " hours left"
	}
	return "less than two hours left"
}

// PageFrom is the address of the page with the people from a key on.
func (v removalView) PageFrom(key string) string {
	path := link("removals", v.PublicID)
	if key != "" {
		path += "?" + url.Values{"from": {key}}.Encode()
	}
	return path + "#people"
}

// Restorable reports whether anybody can be brought back.
func (v removalView) Restorable() bool {
	return v.State.Over() && !v.Restoring() && v.Left() > 0 && v.Purged.IsZero() && v.RestorableUntil.UnixMicro() > v.Now
}

// Working reports whether the removal or its restoration is done in the background now.
func (v removalView) Working() bool { return !v.State.Over() || v.Restoring() }

// Handled and All are how many users the work in the background has dealt with, and how
// many there are.
func (v removalView) Handled() int {
	if v.Restoring() {
		return v.Restore.Done
	}
	return v.Done()
}

// All is how many there are; see Handled.
func (v removalView) All() int {
	if v.Restoring() {
		return v.Restore.Total
	}
	return v.Requested
}

// Percent is how much of the work in the background is done.
func (v removalView) Percent() int { return 100 * v.Handled() / max(1, v.All()) }

// Quarters is Percent in steps that are few enough to be said aloud.
func (v removalView) Quarters() int { return v.Percent() / 25 * 25 }

// by is who asked for a removal, in a word or two.
func by(r directory.RemovalRecord) string {
	switch r.Actor.Kind {
	case directory.ActorApp:
		return "App " + r.ClientID
	case directory.ActorPerson:
		if r.Actor.Label != "" {
			return r.Actor.Label
		}
		return "Admin Console"
	}
	return "Operator"
}

func (q *request) removal() (v removalView, err error) {
	v.RemovalRecord, err = q.roster.Removal(q.r.Context(), q.caller, q.account(), q.values["removal"])
	v.Now, v.Wait = q.roster.Now().UnixMicro(), q.roster.PurgeWait()
	return v, err
}

func (q *request) removalPage() error {
	v, err := q.removal()
	if err != nil {
		return err
	}
	err = q.roster.EachRefused(q.r.Context(), q.caller, q.account(), &v.RemovalRecord, func(some []directory.RefusedUser) error {
		for _, r := range some {
			if len(v.Refusals) == mostRefused {
				return errEnough
			}
			v.Refusals = append(v.Refusals, refused{Name: excerpt.Of(r.Ref.Text), Email: r.Email, Reason: r.Reason})
		}
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return err
	}
	v.From = q.r.URL.Query().Get("from")
	v.People, err = q.roster.RemovedUsers(q.r.Context(), q.caller, q.account(), &v.RemovalRecord, v.From, removedOnPage)
	if errors.Is(err, directory.ErrInvalid) {
		return errNoPage
	}
	if err != nil {
		return err
	}
	return q.show("removal", "Removal", &v)
}

// errEnough ends a list of which a page shows the beginning.
var errEnough = errors.New("enough is shown")

// failuresFile answers with everybody who was not removed, as CSV.
func (q *request) failuresFile() error {
	return q.removalFile("not-removed", []string{"emailId", "orgUserId", "reason", "reasonCode"}, func(v *removalView, write func(...string) error) error {
		return q.roster.EachRefused(q.r.Context(), q.caller, q.account(), &v.RemovalRecord, func(some []directory.RefusedUser) error {
			for _, r := range some {
				email, orgUserID := r.Names()
				if err := write(email, orgUserID, whyText(r.Reason), string(r.Reason)); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// reportFile answers with what came of everybody whom the removal names, as CSV.
func (q *request) reportFile() error {
	header := []string{"emailId", "orgUserId", "userId", "outcome", "reason", "reasonCode"}
	return q.removalFile("report", header, func(v *removalView, write func(...string) error) error {
		return q.roster.EachOutcome(q.r.Context(), q.caller, q.account(), &v.RemovalRecord, func(some []directory.RemovalLine) error {
			for _, l := range some {
				if err := write(l.Email, l.OrgUserID, l.UserID, string(l.Outcome), whyText(l.Reason), string(l.Reason)); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// removalFile answers with a table about a removal that is over, of which fill writes
// the rows one by one.
func (q *request) removalFile(name string, header []string, fill func(v *removalView, write func(...string) error) error) error {
	v, err := q.removal()
	if err != nil {
		return err
	}
	if !v.State.Over() {
		return directory.Errorf(directory.ErrState, "the removal is not over yet")
	}
	q.w.Header().Set("Content-Type", "text/csv; charset=utf-8; header=present")
	q.w.Header().Set("Content-Disposition", `attachment; filename="`+v.PublicID+`-`+name+`.csv"`)
	table := csvfile.NewWriter(q.w)
	table.Write(header...) //nolint:errcheck // sticky
	err = fill(&v, table.Write)
	table.Flush()
	if err != nil { // a part must not pass for the whole
		q.log.Warn("the answer was broken off", "requestId", web.RequestID(q.r.Context()), "error", err)
		panic(http.ErrAbortHandler)
	}
	return nil
}

// restoreForm asks who comes back.
type restoreForm struct {
	removalView
	List  string
	Error string
}

func (q *request) restorePage() error {
	v, err := q.removal()
	if err != nil {
		return err
	}
	if !v.Restorable() { // its page says why
		http.Redirect(q.w, q.r, link("removals", v.PublicID), http.StatusSeeOther)
		return nil
	}
	return q.show("restore", "Undo the removal?", &restoreForm{removalView: v})
}

// restoredView is what came of a restoration that has more to say than how many.
type restoredView struct {
	directory.RestorationRecord
	Removal directory.RemovalRecord
	Refused []refused // the first of them
	Staying int
}

func (q *request) restoredPage() error {
	removal, err := q.removal()
	if err != nil {
		return err
	}
	out, err := q.roster.Restoration(q.r.Context(), q.caller, q.account(), &removal.RemovalRecord, q.values["request"])
	if err != nil {
		return err
	}
	v := restoredView{RestorationRecord: out, Removal: removal.RemovalRecord}
	for _, r := range out.Refused[:min(len(out.Refused), mostRefused)] {
		v.Refused = append(v.Refused, refused{Name: r.Ref.Text, Email: r.Email, Reason: r.Reason, Restoring: true})
	}
	for _, n := range out.RefusedByReason {
		v.Staying += n
	}
	return q.show("restored", "Users restored", v)
}

func (q *request) restore() error {
	form := q.r.PostForm
	f := restoreForm{List: form.Get("list")}
	var refs []directory.UserRef
	if chosen := form["user"]; len(chosen) > 0 { // in the list of who was removed
		refs = userRefs(chosen, false)
	} else if form.Get("who") != "all" || strings.TrimSpace(f.List) != "" {
		list, err := peoplefile.ReadIDs([]byte(f.List), false)
		switch {
		case form.Get("who") == "all":
			f.Error = "You chose all, and named some. Choose those whom you name, or empty the list."
		case err != nil:
			f.Error = sentence(err.Error())
		case len(list.IDs) == 0:
			f.Error = "The list names nobody."
		case len(list.IDs) > maxPeople:
			f.Error = "The list names " + grouped(len(list.IDs)) + " people; " + grouped(maxPeople) + " is the most."
		}
		if f.Error != "" {
			if f.removalView, err = q.removal(); err != nil {
				return err
			}
			q.render(http.StatusUnprocessableEntity, "restore", "Undo the removal?", &f)
			return nil
		}
		refs = userRefs(list.IDs, list.ByOrgID)
	}
	ctx := q.r.Context()
	out, err := q.roster.RestoreUsers(ctx, q.caller, q.account(), q.values["removal"], refs, roster.RestoreOptions{
		RequestID: web.RequestID(ctx), Background: true,
	})
	if err != nil {
		return err
	}
	if out.Queued { // the removal's page shows how far it has come
		http.Redirect(q.w, q.r, link("removals", q.values["removal"]), http.StatusSeeOther)
		return nil
	}
	if out.Restored > 0 && len(out.Refused) == 0 && len(out.Lost) == 0 { // the removal's page says it all
		return q.toRemoval("users-restored")
	}
	http.Redirect(q.w, q.r, link("removals", q.values["removal"], "restorations", web.RequestID(ctx)), http.StatusSeeOther)
	return nil
}

// cancelRemoval stops the removal or its restoration, whichever is done in the background.
func (q *request) cancelRemoval() error {
	v, err := q.removal()
	if err != nil {
		return err
	}
	cancel, flash := q.roster.CancelRemoval, "removal-cancelled"
	if v.Restoring() {
		cancel, flash = q.roster.CancelRestoration, "restoration-cancelled"
	}
	if _, err := cancel(q.r.Context(), q.caller, q.account(), v.PublicID, web.RequestID(q.r.Context())); err != nil {
		return err
	}
	return q.toRemoval(flash)
}

// toRemoval goes back to the page of the removal that the path names.
func (q *request) toRemoval(flash string) error {
	q.setCookie(flashCookie, flash, 60)
	http.Redirect(q.w, q.r, link("removals", q.values["removal"]), http.StatusSeeOther)
	return nil
}
