package publicapi_test

import (
	"strings"
	"testing"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/rostertest"
	"roster/internal/storetest"
)

// labels are what the directory keeps of a removal besides its outcome.
func (w *world) labels(removal string) directory.RemovalLabels {
	w.T.Helper()
	record, err := w.Roster.Removal(w.T.Context(), auth.Operator(), w.account, removal)
	if err != nil {
		w.T.Fatal(err)
	}
	return record.Labels
}

// Contract 3.5: note and run are kept with the removal, by a call and by a job, and
// are not on the wire. The purge erases the note.
func TestLabelsAreKept(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		w := start(t, dsn, rostertest.Options{})
		want := directory.RemovalLabels{Note: "Left on 1 May\n\u00e9\U0001f600 \"TICKET-1\"", Run: "leavers-2031/05#1"}
		with := func(body string) string {
			return `{"note":` + quote(want.Note) + `,"run":` + quote(want.Run) + `,` + body[1:]
		}
		call := w.Remove(w.app, with(emails(ann, "nobody@example.com")))
		w.compare(call, 200, failed(byEmail(`"nobody@example.com"`, noSuchEmail)), nil)
		job := w.send(rostertest.Request{Header: async(nil), Body: with(emails(bob)), Token: w.app.Token(nil)})
		preview := w.send(rostertest.Request{Path: "/api/public/users?dryRun=true", Body: with(emails(cleo)), Token: w.app.Token(nil)})
		w.compare(preview, 200, withEnd(removed, `,"dryRun":true`), nil)
		for _, id := range []string{call.Header.Get("X-Removal-Id"), job.Header.Get("X-Removal-Id")} {
			if read := w.finished(id); strings.Contains(read.Body, "leavers") || strings.Contains(read.Body, "TICKET") {
				t.Errorf("the labels are on the wire: %s", read.Body)
			}
			if got := w.labels(id); got != want {
				t.Errorf("kept %+q, want %+q", got, want)
			}
			if _, err := w.Roster.PurgeRemoval(t.Context(), auth.Operator(), w.account, id); err != nil {
				t.Fatal(err)
			}
			if got := w.labels(id); got.Note != "" || got.Run != want.Run {
				t.Errorf("after the purge %+q", got)
			}
		}
		none := w.Remove(w.app, `{"note":null,"run":null,"deleteEmailIds":["nobody@example.com"]}`).Header.Get("X-Removal-Id")
		if got := w.labels(none); got != (directory.RemovalLabels{}) {
			t.Errorf("without labels %+q", got)
		}
	})
}

func TestLabelsThatAreRefused(t *testing.T) {
	t.Parallel()
	w := start(t, storetest.New(t, "sqlite"), rostertest.Options{})
	id := w.Remove(w.app, emails(cleo)).Header.Get("X-Removal-Id")
	label := func(key, value string) string {
		return `{"deleteEmailIds":["nobody@example.com"],` + quote(key) + `:` + value + `}`
	}
	good := failed(byEmail(`"nobody@example.com"`, noSuchEmail))
	text := func(unit string, n int) string { return `"` + strings.Repeat(unit, n) + `"` }
	for _, r := range []row{
		{says: "500 characters", body: label("note", text("\U0001f600", 500)), want: good},
		{says: "64 characters", body: label("run", text("~", 64)), want: good},
		{says: "other spellings are other keys", body: label("Note", "7"), want: good},
		{says: "a restoration has none", method: "POST", path: "/api/public/users/removals/" + id + "/restore", body: label("note", "7"), want: good},
	} {
		w.check(r)
	}
	for key, values := range map[string][]string{
		"note": {`""`, text("x", 501), `7`, `true`, `["x"]`, `{}`, `"a\u0000b"`, `"\u001b[1m"`, `"\u0085"`},
		"run":  {`""`, text("x", 65), `7`, `false`, `["x"]`, `{}`, `"a b"`, `"\t"`, `"caf\u00e9"`, `"\u007f"`, `"x\u0000"`},
	} {
		for _, value := range values {
			w.check(row{body: label(key, value), status: 412, want: invalidArgs})
			w.check(row{path: "/api/public/users?dryRun=true", body: label(key, value), status: 412, want: invalidArgs})
			w.check(row{header: async(nil), body: label(key, value), status: 412, want: invalidArgs})
		}
	}
}
