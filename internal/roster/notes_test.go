package roster_test

import (
	"context"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/roster"
	"roster/internal/store"
	"roster/internal/storetest"
)

// noteStage is a stage whose time stands still unless it is moved.
func noteStage(t *testing.T, dsn string, trace func(string)) (*stage, *clock) {
	t.Helper()
	s := newStage(t, dsn)
	c := &clock{now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	r, err := roster.Open(context.Background(), roster.Options{
		Database: dsn, Secrets: true, SecretKeyFile: s.key, Store: store.Options{Clock: c.Now, Trace: trace},
	})
	must(t, err)
	t.Cleanup(func() { must(t, r.Close()) })
	s.roster = r
	return s, c
}

func refusalOf(app directory.App, reason auth.Reason) *auth.Refusal {
	return auth.Refuse(reason, "").Of(app)
}

// refusals are what administrators see of an app.
func (s *stage) refusals(app madeApp) []directory.AppRefusals {
	s.Helper()
	details, err := s.roster.App(context.Background(), auth.Operator(), app.id)
	must(s.T, err)
	return details.Refusals
}

func TestRefusalsAddUpByAppAndReason(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		s, c := noteStage(t, dsn, nil)
		ctx := context.Background()
		app := s.app(roster.NewApp{})
		details, err := s.roster.App(ctx, auth.Operator(), app.id)
		must(t, err)
		start := c.now
		note := func(reason auth.Reason, after time.Duration, request string) {
			c.now = start.Add(after)
			s.roster.NoteRefusal(refusalOf(details.App, reason), request)
		}
		s.roster.NoteRefusal(auth.Refuse(auth.ReasonNoToken, ""), "stranger")
		note(auth.ReasonSignature, 0, "a")
		note(auth.ReasonSignature, 2*time.Second, "b")
		note(auth.ReasonScope, time.Second, "c")
		must(t, s.roster.FlushNotes(ctx, false))
		want := []directory.AppRefusals{
			{App: details.ID, Reason: "wrong_signature", Count: 2, Last: start.Add(2 * time.Second), RequestID: "b"},
			{App: details.ID, Reason: "scope_missing", Count: 1, Last: start.Add(time.Second), RequestID: "c"},
		}
		if diff := cmp.Diff(want, s.refusals(app)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		// A server that is behind adds its count and not its older time.
		note(auth.ReasonSignature, time.Second, "late")
		note(auth.ReasonScope, 3*time.Second, "d")
		must(t, s.roster.FlushNotes(ctx, false))
		want[0].Count, want[1].Count, want[1].Last, want[1].RequestID = 3, 2, start.Add(3*time.Second), "d"
		want[0], want[1] = want[1], want[0]
		if diff := cmp.Diff(want, s.refusals(app)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if n := s.column("SELECT COUNT(*) FROM app_refusals"); n != 2 {
			t.Errorf("%d rows, want 2: a stranger's refusal is no app's", n)
		}
		counts := s.roster.Counts().RefusedTokens
		if counts[auth.ReasonNoToken] != 1 || counts[auth.ReasonSignature] != 3 || counts[auth.ReasonScope] != 2 || len(counts) != len(auth.Reasons()) {
			t.Errorf("counts %v", counts)
		}
	})
}

// The last use of a secret is written down once a minute, and at the end.
func TestLastUseIsWrittenOnceAMinute(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		var statements []string
		s, c := noteStage(t, dsn, func(query string) { statements = append(statements, query) })
		ctx := context.Background()
		app := s.app(roster.NewApp{})
		start := c.now
		used := func(after time.Duration) {
			c.now = start.Add(after)
			s.wantCall("use", app.id, app.secret, "")
			c.now = c.now.Add(time.Second)
		}
		flushed := func(step string, all bool, want time.Duration, writes bool) {
			t.Helper()
			statements = nil
			must(t, s.roster.FlushNotes(ctx, all))
			if (len(statements) > 0) != writes {
				t.Errorf("%s: it ran %q", step, statements)
			}
			details, err := s.roster.App(ctx, auth.Operator(), app.id)
			must(t, err)
			if got := details.Keys[0].LastUsed; !got.Equal(start.Add(want)) {
				t.Errorf("%s: last used %v after the start, want %v", step, got.Sub(start), want)
			}
		}
		if details, err := s.roster.App(ctx, auth.Operator(), app.id); err != nil || !details.Keys[0].LastUsed.IsZero() {
			t.Errorf("never used: %+v, %v", details.Keys, err)
		}
		used(0)
		flushed("first use", false, 0, true)
		flushed("nothing new", false, 0, false)
		used(30 * time.Second)
		flushed("within the minute", false, 0, false)
		used(59 * time.Second)
		c.now = start.Add(time.Minute)
		flushed("after a minute", false, 59*time.Second, true)
		used(70 * time.Second)
		flushed("at the end", true, 70*time.Second, true)
		if got := s.call(app.id, "wrong"+app.secret); got != auth.ReasonSignature {
			t.Errorf("wrong secret: %q", got)
		}
		flushed("a wrong signature is no use", true, 70*time.Second, false)
	})
}

// A flush that fails loses nothing, and a call never waits for one.
func TestFailedFlushIsTriedAgain(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		s, _ := noteStage(t, dsn, nil)
		app := s.app(roster.NewApp{})
		details, err := s.roster.App(context.Background(), auth.Operator(), app.id)
		must(t, err)
		s.roster.NoteRefusal(refusalOf(details.App, auth.ReasonExpired), "one")
		s.wantCall("use", app.id, app.secret, "")
		ended, end := context.WithCancel(context.Background())
		end()
		if err := s.roster.FlushNotes(ended, false); err == nil {
			t.Fatal("the flush did not fail")
		}
		s.roster.NoteRefusal(refusalOf(details.App, auth.ReasonExpired), "two")
		must(t, s.roster.FlushNotes(context.Background(), false))
		details, err = s.roster.App(context.Background(), auth.Operator(), app.id)
		must(t, err)
		if got := details.Refusals; len(got) != 1 || got[0].Count != 2 || got[0].RequestID != "two" || details.Keys[0].LastUsed.IsZero() {
			t.Errorf("after a failed flush: %+v, %+v", got, details.Keys)
		}
	})
}

// Several servers that write about the same apps at once, in any order, lose no
// count and do not wait for each other in a circle.
func TestServersFlushTogether(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		s := newStage(t, dsn)
		ctx := context.Background()
		var apps []directory.App
		for range 20 {
			app := s.app(roster.NewApp{})
			details, err := s.roster.App(ctx, auth.Operator(), app.id)
			must(t, err)
			apps = append(apps, details.App)
		}
		servers, rounds := 2, 20
		if s.roster.Engine() == "sqlite" {
			servers = 1
		}
		var all sync.WaitGroup
		for range servers {
			r, err := roster.Open(ctx, roster.Options{Database: dsn})
			must(t, err)
			defer r.Close()
			all.Go(func() {
				for round := range rounds {
					for _, app := range apps {
						r.NoteRefusal(refusalOf(app, auth.ReasonScope), strconv.Itoa(round))
						r.NoteRefusal(refusalOf(app, auth.ReasonExpired), strconv.Itoa(round))
					}
					if err := r.FlushNotes(ctx, false); err != nil {
						t.Errorf("flush: %v", err)
					}
				}
			})
		}
		all.Wait()
		if n, want := s.column("SELECT SUM(count) FROM app_refusals"), servers*rounds*len(apps)*2; n != want {
			t.Errorf("%d refusals are counted, want %d", n, want)
		}
	})
}

// What strangers can make of refusals is bounded.
func TestNotesAreBounded(t *testing.T) {
	t.Parallel()
	s := newStage(t, storetest.New(t, "sqlite"))
	const apps = 11_000
	for i := range apps {
		s.roster.NoteRefusal(refusalOf(directory.App{ID: directory.AppID(i + 1)}, auth.ReasonScope), "x")
	}
	s.roster.NoteRefusal(refusalOf(directory.App{ID: 1}, auth.ReasonScope), "y")
	must(t, s.roster.FlushNotes(context.Background(), true))
	if rows, count := s.column("SELECT COUNT(*) FROM app_refusals"), s.column("SELECT SUM(count) FROM app_refusals"); rows != 10_000 || count != 10_001 {
		t.Errorf("%d rows that count %d", rows, count)
	}
	if n := s.roster.Counts().RefusedTokens[auth.ReasonScope]; n != apps+1 {
		t.Errorf("counted %d by reason, want %d", n, apps+1)
	}
}
