package publicapi_test

import (
	"reflect"
	"regexp"
	"strings"
	"testing"

	"roster/internal/rostertest"
	"roster/internal/storetest"
)

// everyOutcome are bodies that lead to each kind of answer.
var everyOutcome = []string{
	emails(ann, bob),
	emails(ann, "nobody@example.com"),
	emails(owner, dan),
	emails("foreign@example.com"),
	`{"orgUserIds":["E1","E4","E9"," ",7],"deleteEmailIds":["BOB@example.com","x",null],"includeMeta":true}`,
	`{"orgUserIds":["E1"],"includeMeta":true}`,
}

// Contract 3.5: dryRun has the same checks and the same answer, with dryRun as
// the last key, and changes nothing: not even an audit record is left.
func TestPreviewIsTheAnswerAndChangesNothing(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		w := start(t, dsn, rostertest.Options{})
		for _, body := range everyOutcome {
			for _, query := range []string{"", "&atomic=true", "&reasons=codes"} {
				w.recast()
				before := w.Dump()
				preview := w.send(rostertest.Request{Path: "/api/public/users?dryRun=true" + query, Body: body, Token: w.app.Token(nil)})
				if !reflect.DeepEqual(before, w.Dump()) {
					t.Errorf("%s %s: the preview changed the database", query, body)
				}
				answer := w.send(rostertest.Request{Path: "/api/public/users?" + query, Body: body, Token: w.app.Token(nil)})
				want := strings.TrimSuffix(answer.Body, "}") + `,"dryRun":true}`
				w.compare(preview, 200, want, map[string]string{"X-Removal-Id": ""})
			}
		}
		// A preview is refused like the call itself.
		for body, msg := range map[string]string{`{"deleteEmailIds":[]}`: `deleteEmailIds cannot be empty","code":400`, `{`: `Invalid JSON","code":400`} {
			got := w.send(rostertest.Request{Path: "/api/public/users?dryRun=true", Body: body, Token: w.app.Token(nil)})
			w.compare(got, 400, `{"errors":[{"msg":"`+msg+`}]}`, nil)
		}
	})
}

// Contract 3.5: atomic is all or nobody. The answer says so where it kept
// somebody.
func TestAtomic(t *testing.T) {
	const path = "/api/public/users?atomic=true"
	nobody := byEmail(`"nobody@example.com"`, noSuchEmail)
	check(t, rostertest.Options{}, []row{
		{says: "all go", path: path, body: emails(ann, bob, ann), want: removed, gone: []string{ann, bob}},
		{says: "one is unknown", path: path, body: emails(ann, "nobody@example.com", bob), want: withEnd(failed(nobody), `,"atomic":true`)},
		{
			says: "one owns a bot", path: path + "&reasons=x", body: `{"includeMeta":true,"deleteEmailIds":["` + dan + `","` + ann + `"]}`,
			want: withEnd(meta(failed(byEmail(`"`+dan+`"`, unauthorized)), "0"), `,"atomic":true`),
		},
		{says: "one is no address", path: path, body: emails("x", ann), want: withEnd(failed(byEmail(`"x"`, badEmail)), `,"atomic":true`)},
		{says: "a preview of it", path: path + "&dryRun=true", body: emails("x", ann), want: withEnd(failed(byEmail(`"x"`, badEmail)), `,"atomic":true,"dryRun":true`)},
		{says: "a preview where all go", path: path + "&dryRun=true", body: emails(ann), want: withEnd(removed, `,"dryRun":true`)},
		{says: "off", path: "/api/public/users?atomic=false", body: emails(ann, "nobody@example.com"), want: failed(nobody), gone: []string{ann}},
	})
}

var removalIDForm = regexp.MustCompile(`^rm-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// Contract 3.5: each answer to a removal carries its id, also when nobody went.
func TestRemovalID(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		w := start(t, dsn, rostertest.Options{})
		seen := map[string]bool{}
		for _, body := range everyOutcome {
			for _, options := range []string{"", "?atomic=true"} {
				got := w.send(rostertest.Request{Path: "/api/public/users" + options, Body: body, Token: w.app.Token(nil)})
				id := got.Header.Get("X-Removal-Id")
				if got.Status != 200 || !removalIDForm.MatchString(id) || seen[id] {
					t.Errorf("%s: answered %d with the removal %q", body, got.Status, id)
				}
				seen[id] = true
				if n := query[int](w, `SELECT COUNT(*) FROM removals r JOIN accounts a ON a.id = r.account_id WHERE a.public_id = $1 AND r.public_id = $2`, id); n != 1 {
					t.Errorf("%d removals have the id %s", n, id)
				}
			}
		}
		got := w.Remove(w.app, `{}`)
		if id := got.Header.Get("X-Removal-Id"); id != "" {
			t.Errorf("a refused call has the removal %q", id)
		}
	})
}
