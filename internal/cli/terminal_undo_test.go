package cli_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

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
		if run.String() != want {
			t.Errorf("the terminal shows\n%s\nnot\n%s", run, want)
		}
		run = startSession(t, normal(s.env...), "user", "remove", "--dry-run", "ann@example.com")
		run.end(0)
		if want := "1 of 1 users would be removed, 0 would not.\r\n"; run.String() != want || !s.isIn("ann") {
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
		if want := table + "Nobody was removed, because 1 of 2 users cannot be.\r\n"; run.String() != want {
			t.Errorf("the terminal shows\n%s\nnot\n%s", run, want)
		}
		run = startSession(t, normal(s.env...), "user", "remove", "--atomic", "--dry-run", "ann@example.com", "bo@example.com")
		run.end(3)
		if want := table + "Nobody would be removed, because 1 of 2 users cannot be.\r\n"; run.String() != want {
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
