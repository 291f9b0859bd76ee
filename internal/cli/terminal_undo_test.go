package cli_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"roster/internal/auth"
	"roster/internal/rostertest"
	"roster/internal/storetest"
)

// staff is a served account of which owner@ owns all and bo@ a bot.
type staff struct {
	*rostertest.Server

	account string
	env     []string
}

func newStaff(t *testing.T, dsn string) *staff {
	t.Helper()
	s := &staff{Server: rostertest.Start(t, dsn, rostertest.Options{})}
	s.account = s.Account("owner@example.com")
	s.Users(s.account, "ann@example.com", "bo@example.com", "cy@example.com", "dee@example.com")
	s.Bot(s.account, "Help desk", "bo@example.com")
	app := s.App(s.account)
	s.env = []string{"ROSTER_HOST=" + s.URL, "ROSTER_CLIENT_ID=" + app.ClientID, "ROSTER_CLIENT_SECRET=" + app.Secret}
	return s
}

func (s *staff) isIn(name string) bool {
	return strings.Contains(strings.Join(s.Members(s.account), " "), name+"@")
}

var removalIDs = regexp.MustCompile(`rm-[0-9a-f-]{36}`)

// A preview asks nobody and says what would be.
func TestPreviewOnTerminal(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		s := newStaff(t, dsn)
		run := startSession(t, normal(s.env...), "user", "remove", "--dry-run", "ann@example.com", "bo@example.com", "nobody@example.com")
		run.end(3)
		want := strings.Join([]string{
			"CANNOT BE REMOVED   REASON",
			"bo@example.com      Unauthorized to perform this activity",
			"nobody@example.com  User not found. Please check the provided email address.",
			"",
			"1 of 3 users would be removed, 2 would not.",
			"",
		}, "\r\n")
		if !run.ends(want) {
			t.Errorf("the terminal shows\n%s\nnot\n%s", run, want)
		}
		run = startSession(t, normal(s.env...), "user", "remove", "--dry-run", "ann@example.com")
		run.end(0)
		if want := "1 of 1 users would be removed, 0 would not.\r\n"; !run.ends(want) || !s.isIn("ann") {
			t.Errorf("the terminal shows %q; members %q", run, s.Members(s.account))
		}
	})
}

// All or nothing says that nobody went, and because of whom.
func TestAtomicOnTerminal(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		s := newStaff(t, dsn)
		const table = "CANNOT BE REMOVED  REASON\r\nbo@example.com     Unauthorized to perform this activity\r\n\r\n"
		run := startSession(t, normal(s.env...), "user", "remove", "--atomic", "--yes", "ann@example.com", "bo@example.com")
		run.end(3)
		if want := table + "Nobody was removed, because 1 of 2 users cannot be.\r\n"; !run.ends(want) {
			t.Errorf("the terminal shows\n%s\nnot\n%s", run, want)
		}
		run = startSession(t, normal(s.env...), "user", "remove", "--atomic", "--dry-run", "ann@example.com", "bo@example.com")
		run.end(3)
		if want := table + "Nobody would be removed, because 1 of 2 users cannot be.\r\n"; !run.ends(want) {
			t.Errorf("the terminal shows\n%s\nnot\n%s", run, want)
		}
		if !s.isIn("ann") {
			t.Error("ann was removed")
		}
	})
}

// Each kind of failure has its own words: what is known is said, and no more.
func TestRemovalThatFails(t *testing.T) {
	t.Parallel()
	knows := `{"failedUserDetails":[{"emailId":"x","reason":{"message":"x"}}],"atomic":true,"dryRun":true}`
	plain := `{"failedUserDetails":[{"emailId":"bo@example.com","reason":{"message":"no"}}]}`
	for _, c := range []struct {
		says    string
		args    string
		answers []string // "" breaks the connection, a number is a status
		code    int
		shows   string
	}{
		{"a host without previews", "--dry-run", []string{plain}, 1, "The preview was cut short.\r\nroster: the host does not know the option dryRun: nobody was removed\r\n"},
		{"a host without atomic", "--atomic", []string{plain}, 1, "Nobody was removed.\r\nroster: the host does not know the option atomic: nobody was removed\r\n"},
		{"one of two hosts without previews", "--dry-run", []string{knows, plain}, 1, "NOT REMOVED     REASON\r\nbo@example.com  no\r\n\r\n" +
			"1 of 2 users were removed, against what was asked.\r\nroster: the host ignored the option dryRun: users may have been removed, although it was asked not to\r\n"},
		{"one of two hosts without atomic", "--atomic", []string{knows, plain}, 1, "1 of 2 users were removed, against what was asked.\r\n"},
		{"refused", "--atomic", []string{knows, "413"}, 1, "Nobody was removed.\r\nroster: the server refused the call: Request Entity Too Large (HTTP 413, code 0)\r\n"},
		{"failed", "--atomic", []string{knows, "503"}, 1, "All 2 users were removed, or nobody: --dry-run shows who is still there.\r\n"},
		{"lost", "--atomic", []string{knows, ""}, 1, "All 2 users were removed, or nobody: --dry-run shows who is still there.\r\nroster: call the server: "},
		{"a preview that is lost", "--dry-run", []string{knows, ""}, 1, "The preview was cut short.\r\nroster: call the server: "},
		{"a plain removal that is lost", "--yes", []string{""}, 1, "0 of 2 users are known to be removed. Run the same command again to go on.\r\n"},
	} {
		t.Run(c.says, func(t *testing.T) {
			t.Parallel()
			url := answering(t, c.answers...)
			run := startSession(t, normal("ROSTER_HOST="+url, "ROSTER_CLIENT_ID=cs-1", "ROSTER_CLIENT_SECRET="+strings.Repeat("s", 44)),
				"user", "remove", "--yes", c.args, "ann@example.com", "bo@example.com")
			run.end(c.code)
			if !strings.Contains(run.String(), c.shows) {
				t.Errorf("the terminal shows %q", run)
			}
		})
	}
}

// answering is the URL of a host that gives these answers one after the other:
// "" breaks the connection, and a number is a status without a body.
func answering(t *testing.T, answers ...string) string {
	t.Helper()
	next := make(chan string, len(answers))
	for _, a := range answers {
		next <- a
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		a, status := <-next, 0
		if a == "" {
			panic(http.ErrAbortHandler)
		}
		if _, err := fmt.Sscanf(a, "%d", &status); err == nil {
			w.WriteHeader(status)
			return
		}
		fmt.Fprint(w, a)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// After a removal the terminal shows the command that undoes it, which does.
func TestUndoOnTerminal(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		s := newStaff(t, dsn)
		run := startSession(t, normal(s.env...), "user", "remove", "--yes", "ann@example.com", "bo@example.com", "cy@example.com")
		run.end(3)
		_, undo, ok := strings.Cut(run.String(), "\r\n2 of 3 users removed, 1 not removed.\r\n\r\nTo undo it, while the host keeps who was removed:\r\n  roster user restore ")
		if !ok || s.isIn("ann") {
			t.Fatalf("the terminal shows %q", run)
		}
		args := append([]string{"user", "restore"}, strings.Fields(undo)...)
		secret := normal(s.env[len(s.env)-1]) // the command names host and app
		run = startSession(t, secret, append(args, "dee@example.com")...)
		run.end(2)
		run = startSession(t, secret, args...)
		run.wait(t, `This restores everybody of the removal rm-[0-9a-f-]{36}\. Type restore to go on: `)
		run.send("yes\n")
		run.end(1)
		if !strings.HasSuffix(run.String(), "roster: nobody was restored\r\n") || s.isIn("ann") {
			t.Errorf("the terminal shows %q", run)
		}
		run = startSession(t, secret, args...)
		run.wait(t, "to go on: ")
		run.send("restore\n")
		run.end(0)
		if !strings.HasSuffix(run.String(), "\nEverybody of the removal is restored.\r\n") || !s.isIn("ann") || !s.isIn("cy") {
			t.Errorf("the terminal shows %q; members %q", run, s.Members(s.account))
		}
	})
}

// Named users are restored without a question, and who is not is a table.
func TestRestoreOfSomeOnTerminal(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		s := newStaff(t, dsn)
		run := startSession(t, normal(append(s.env, "ROSTER_JSON=true")...), "user", "remove", "--yes", "ann@example.com", "cy@example.com")
		run.end(0)
		id := removalIDs.FindString(run.String())
		run = startSession(t, normal(s.env...), "user", "restore", "--removal", id, "ann@example.com", "bo@example.com")
		run.end(3)
		want := strings.Join([]string{
			"NOT RESTORED    REASON",
			"bo@example.com  User not found. Please check the provided email address.",
			"",
			"1 of 2 users restored, 1 not restored.",
			"",
		}, "\r\n")
		if !run.ends(want) || !s.isIn("ann") || s.isIn("cy") {
			t.Errorf("the terminal shows\n%s\nnot\n%s", run, want)
		}
		whole := startSession(t, normal(s.env...), "user", "remove", "--yes", "dee@example.com")
		whole.end(0)
		operator := normal("ROSTER_DATABASE="+dsn, "ROSTER_ACCOUNT="+s.account)
		for _, want := range []string{"1 of 1 users restored, 0 not restored.\r\n", "Nobody of the removal is still removed.\r\n"} {
			run = startSession(t, operator, "removal", "restore", removalIDs.FindString(whole.String()), "--all", "--yes")
			run.end(0)
			if !run.ends(want) || !s.isIn("dee") {
				t.Errorf("the terminal shows %q", run)
			}
		}
		s.Users(s.account, "cy@example.com")
		run = startSession(t, operator, "removal", "restore", id, "--all", "--yes")
		run.end(3)
		want = strings.Join([]string{
			"NOT RESTORED    REASON",
			"cy@example.com  a member has this address again",
			"",
			"0 of 1 users restored, 1 not restored.",
			"",
		}, "\r\n")
		if !run.ends(want) {
			t.Errorf("the terminal shows\n%s\nnot\n%s", run, want)
		}
	})
}

// What users could not get back is a table of its own, and no failure.
func TestRestoreNamesWhatIsGone(t *testing.T) {
	t.Parallel()
	lost := `"notRestored":[{"kind":"group","id":"e-1","name":"Sales\u001b[2J","users":3},{"kind":"bot","id":"","name":"","users":1}]`
	for args, want := range map[string]string{
		"--all --yes":     "Everybody of the removal is restored.",
		"ann@example.com": "1 of 1 users restored, 0 not restored.",
	} {
		url := answering(t, `{"msg":"Users are restored Successfully",`+lost+`}`)
		run := startSession(t, normal("ROSTER_HOST="+url, "ROSTER_CLIENT_ID=cs-1", "ROSTER_CLIENT_SECRET="+strings.Repeat("s", 44)),
			append([]string{"user", "restore", "--removal", "rm-1"}, strings.Fields(args)...)...)
		run.end(0)
		want = strings.Join([]string{
			"DELETED MEANWHILE  NAME       USERS WITHOUT IT",
			"group              Sales\ufffd[2J  3",
			"bot                           1",
			"",
			want,
			"",
		}, "\r\n")
		if !run.ends(want) {
			t.Errorf("the terminal shows\n%s\nnot\n%s", run, want)
		}
	}
}

// The operator is told the same by the database, and what was lost is in JSON.
func TestOperatorIsToldWhatIsGone(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		s := newStaff(t, dsn)
		group, err := s.Roster.CreateGroup(t.Context(), auth.Operator(), s.account, "Sales", []string{"ann@example.com", "cy@example.com", "dee@example.com"})
		if err != nil {
			t.Fatal(err)
		}
		run := startSession(t, normal(s.env...), "user", "remove", "--yes", "ann@example.com", "cy@example.com", "dee@example.com")
		run.end(0)
		id := removalIDs.FindString(run.String())
		if err := s.Roster.DeleteGroup(t.Context(), auth.Operator(), s.account, group); err != nil {
			t.Fatal(err)
		}
		operator := normal("ROSTER_DATABASE="+dsn, "ROSTER_ACCOUNT="+s.account)
		run = startSession(t, operator, "removal", "restore", id, "ann@example.com", "cy@example.com")
		run.end(0)
		want := "DELETED MEANWHILE  NAME   USERS WITHOUT IT\r\ngroup              Sales  2\r\n\r\n2 of 2 users restored, 0 not restored.\r\n"
		if !run.ends(want) {
			t.Errorf("the terminal shows\n%s\nnot\n%s", run, want)
		}
		run = startSession(t, normal(append(s.env, "ROSTER_JSON=true")...), "user", "restore", "--removal", id, "dee@example.com")
		run.end(0)
		want = `{"removalId":"` + id + `","requested":1,"restored":1,"failed":[],"notRestored":[{"kind":"group","id":"` + group + `","name":"Sales","users":1}]}` + "\r\n"
		if !run.ends(want) {
			t.Errorf("the terminal shows\n%s\nnot\n%s", run, want)
		}
	})
}

// A restore of many shows how far it has come; a whole one that it goes on.
func TestRestoreShowsProgress(t *testing.T) {
	t.Parallel()
	letGo := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		<-letGo
		fmt.Fprint(w, `{"failedUserDetails":[{"emailId":"x","reason":{"message":"y"}}],"notRestored":[{"kind":"role","id":"r-1","name":"Tester","users":2}]}`)
	}))
	t.Cleanup(s.Close)
	o := normal("ROSTER_HOST="+s.URL, "ROSTER_CLIENT_ID=cs-1", "ROSTER_CLIENT_SECRET="+strings.Repeat("s", 44))
	whole := startSession(t, o, "user", "restore", "--removal", "rm-1", "--all", "--yes")
	whole.wait(t, `Restoring users +[-/|\\] +\d+s`)
	letGo <- struct{}{}
	whole.end(3)
	whole.wait(t, `Everybody of the removal is restored but for 1.\r\n$`)

	some := startSession(t, o, "user", "restore", "--removal", "rm-1", "--from", leavers(t, 15_000))
	some.wait(t, `Restoring users 0 / 15000`)
	letGo <- struct{}{}
	some.wait(t, `Restoring users 10000 / 15000`)
	letGo <- struct{}{}
	some.end(3)
	some.wait(t, `role +Tester +4\r\n\r\n14998 of 15000 users restored, 2 not restored.\r\n$`)
}

// All or nothing is one call, however many they are, and each plain call that
// removed somebody has a line of the undo.
func TestRemovalsOfACommand(t *testing.T) {
	t.Parallel()
	ids := []string{"rm-1", "rm-2", "; evil"}
	var calls atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		if r.URL.Query().Get("dryRun") == "true" {
			fmt.Fprint(w, `{"failedUserDetails":[{"emailId":"x","reason":{"message":"y"}}],"atomic":true,"dryRun":true}`)
			return
		}
		w.Header().Set("X-Removal-Id", ids[int(calls.Add(1)-1)%len(ids)])
		fmt.Fprint(w, `{"msg":"Users are removed Successfully"}`)
	}))
	t.Cleanup(s.Close)
	o := normal("ROSTER_HOST="+s.URL+"/it's", "ROSTER_CLIENT_ID=cs-1", "ROSTER_CLIENT_SECRET="+strings.Repeat("s", 44))
	line := func(id string) string {
		return "  roster user restore --all --removal " + id + " --host '" + s.URL + `/it'\''s' --client-id cs-1` + "\r\n"
	}
	const head = "25000 of 25000 users removed, 0 not removed.\r\n\r\nTo undo it, while the host keeps who was removed:\r\n"
	plain := startSession(t, o, "user", "remove", "--yes", "--from", leavers(t, 25_000))
	plain.end(0)
	if want := head + line("rm-1") + line("rm-2"); !strings.HasSuffix(plain.String(), want) {
		t.Errorf("the terminal shows %q", plain)
	}
	whole := startSession(t, o, "user", "remove", "--yes", "--atomic", "--from", leavers(t, 25_000))
	whole.end(0)
	if want := head + line("rm-1"); !strings.HasSuffix(whole.String(), want) || calls.Load() != 4 {
		t.Errorf("%d calls, and the terminal shows %q", calls.Load(), whole)
	}
}
