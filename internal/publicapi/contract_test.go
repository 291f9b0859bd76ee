// The contract of the public API, sentence by sentence, over real HTTP and on
// both engines. What is expected is written down here byte for byte and shares
// nothing with the code under test.
package publicapi_test

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"roster/internal/directory"
	"roster/internal/rostertest"
	"roster/internal/storetest"
)

func TestMain(m *testing.M) {
	watchDials()
	storetest.Main(m)
}

// The cast of every account under test. Owner owns the account and a bot, Dan
// owns two bots, and Ann is also a member of another account.
const (
	owner = "owner@example.com" // orgUserId of none
	ann   = "Ann@Example.com"   // E1
	bob   = "bob@example.com"   // E2
	cleo  = "cleo@example.com"  // of none
	dan   = "Dan@example.com"   // E4
)

// world is a server under test with an account and its cast.
type world struct {
	*rostertest.Server
	account string
	app     rostertest.App

	other    string // another account: its owner, Ann, and foreign@example.com (F1)
	otherApp rostertest.App

	vars    map[string]string // what stands for $NAME in an expected body
	secrets []string          // what the log must never show
}

// start serves a fresh database. When the test has ended the audit log must be
// whole and the server's log must give nothing away.
func start(t *testing.T, dsn string, o rostertest.Options) *world {
	t.Helper()
	w := &world{vars: map[string]string{}}
	t.Cleanup(func() { // after the server has stopped
		if leak := leaked(w.Log.String(), w.secrets); leak != "" {
			t.Errorf("the server's log shows %s", leak)
		}
	})
	w.Server = rostertest.Start(t, dsn, o)
	t.Cleanup(w.VerifyAudit)
	w.other = w.Account("other@example.com")
	w.Import(w.other, rostertest.Person{Email: "foreign@example.com", OrgUserID: "F1"}, rostertest.Person{Email: ann, OrgUserID: "F2"})
	w.otherApp = w.keep(w.App(w.other))
	w.recast()
	return w
}

// recast makes a new account with a new cast.
func (w *world) recast() {
	w.T.Helper()
	w.account = w.Account(owner)
	w.Import(w.account, rostertest.Person{Email: ann, OrgUserID: "E1"}, rostertest.Person{Email: bob, OrgUserID: "E2"},
		rostertest.Person{Email: cleo}, rostertest.Person{Email: dan, OrgUserID: "E4"})
	w.vars["$HEAD"] = w.Bot(w.account, "Head", owner)
	w.vars["$DESK"] = w.Bot(w.account, "Desk", dan)
	w.vars["$MAIL"] = w.Bot(w.account, "Mail & <Post>", dan)
	w.app = w.keep(w.App(w.account))
}

// keep remembers a secret that the log must not show.
func (w *world) keep(app rostertest.App) rostertest.App {
	w.secrets = append(w.secrets, app.Secret)
	return app
}

// at is the world whose failures are those of a subtest.
func (w *world) at(t *testing.T) *world {
	sub, server := *w, *w.Server
	server.T = t
	sub.Server = &server
	return &sub
}

// send sends a request. Its token, or what stands in for one, must never be logged.
func (w *world) send(req rostertest.Request) rostertest.Answer {
	w.T.Helper()
	if len(req.Token) > 20 {
		w.secrets = append(w.secrets, req.Token)
	}
	return w.Do(req)
}

// row is one sentence of the contract: a request and its answer. The zero row
// is a good token on DELETE /api/public/users, answered by 200.
type row struct {
	says   string
	setup  func(*world)
	method string
	path   string
	header map[string]string
	token  func(*world) string
	body   string

	status  int
	want    string            // the whole body; $NAME stands for an id
	headers map[string]string // of the answer, besides those that every answer has
	gone    []string          // who of the account is removed; nobody else may be
	why     string            // what the operator's log says about it
}

// check runs the rows on both engines, one after the other.
func check(t *testing.T, o rostertest.Options, rows []row) {
	t.Helper()
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) { checkOn(t, dsn, o, rows) })
}

// checkReading is check for rows about how a request is read, which happens before the
// database has a part in it: they run on PostgreSQL in the long form alone.
func checkReading(t *testing.T, o rostertest.Options, rows []row) {
	t.Helper()
	t.Parallel()
	storetest.EachInLong(t, func(t *testing.T, dsn string) { checkOn(t, dsn, o, rows) })
}

func checkOn(t *testing.T, dsn string, o rostertest.Options, rows []row) {
	t.Helper()
	w := start(t, dsn, o)
	for _, r := range rows {
		t.Run(r.says, func(t *testing.T) {
			sub := w.at(t)
			sub.check(r)
			w.secrets = sub.secrets
		})
		if r.setup != nil || r.status == 0 || t.Failed() {
			w.recast()
		}
	}
}

// eachCase runs a test for each case on both engines. The cases of an engine share a
// server; each has an account of its own.
func eachCase[C any](t *testing.T, cases []C, says func(C) string, test func(t *testing.T, w *world, c C)) {
	t.Helper()
	storetest.Each(t, func(t *testing.T, dsn string) {
		w := start(t, dsn, rostertest.Options{})
		for i, c := range cases {
			if i > 0 {
				w.recast()
			}
			t.Run(says(c), func(t *testing.T) {
				sub := w.at(t)
				test(t, sub, c)
				w.secrets = sub.secrets
			})
		}
	})
}

// check sends a row's request and compares everything about its answer and
// what it left behind.
func (w *world) check(r row) {
	w.T.Helper()
	if r.setup != nil {
		r.setup(w)
	}
	token := w.app.Token(nil)
	if r.token != nil {
		token = r.token(w)
	}
	members, others, before := w.Members(w.account), w.Members(w.other), w.Dump()
	got := w.send(rostertest.Request{Method: r.method, Path: r.path, Header: r.header, Body: r.body, Token: token})

	w.compare(got, cmp.Or(r.status, http.StatusOK), r.want, r.headers)
	if got.Status >= 400 {
		w.unchanged(before)
	}
	left := slices.DeleteFunc(members, func(m string) bool { return slices.Contains(r.gone, m) })
	if now := w.Members(w.account); !slices.Equal(left, now) {
		w.T.Errorf("left in the account: %q, want %q", now, left)
	}
	if now := w.Members(w.other); !slices.Equal(others, now) {
		w.T.Errorf("left in the other account: %q, want %q", now, others)
	}
	if r.why != "" {
		w.logSays(got.Header.Get("X-Request-Id"), r.why)
	}
}

// Dump reads everything that the database holds, but for the notes about
// refused tokens and used secrets that calls leave behind. The server writes
// those in the background: they are written before, so as not to come between
// two dumps.
func (w *world) Dump() storetest.Content {
	w.T.Helper()
	if err := w.Roster.FlushNotes(context.Background(), true); err != nil {
		w.T.Fatal(err)
	}
	storetest.Exec(w.T, w.DSN, "UPDATE app_secrets SET last_used_at = NULL")
	content := w.Server.Dump()
	delete(content, "app_refusals")
	return content
}

// unchanged checks that a refused request has left no trace in the database.
func (w *world) unchanged(before storetest.Content) {
	w.T.Helper()
	if !reflect.DeepEqual(before, w.Dump()) {
		w.T.Error("a refused request has changed the database")
	}
}

var uuidForm = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// compare compares an answer with what is expected of it, headers that only
// some answers have included.
func (w *world) compare(got rostertest.Answer, status int, body string, headers map[string]string) {
	w.T.Helper()
	for name, value := range w.vars {
		body = strings.ReplaceAll(body, name, value)
	}
	if got.Status != status || got.Body != body {
		w.T.Errorf("answered %d %s\n    want %d %s", got.Status, got.Body, status, body)
	}
	want := map[string]string{"Content-Type": "application/json; charset=utf-8", "Allow": "", "Retry-After": ""}
	maps.Copy(want, headers)
	for name, value := range want {
		if v := got.Header.Values(name); strings.Join(v, "\n") != value {
			w.T.Errorf("%s is %q, want %q", name, v, value)
		}
	}
	if id := got.Header.Get("X-Request-Id"); headers["X-Request-Id"] == "" && !uuidForm.MatchString(id) {
		w.T.Errorf("X-Request-Id is %q, want a UUID", id)
	}
}

// What requests as a whole are answered.
const (
	removed      = `{"msg":"Users are removed Successfully"}`
	invalidJSON  = `{"errors":[{"msg":"Invalid JSON","code":400}]}`
	invalidArgs  = `{"errors":[{"msg":"Validation errors/ Invalid arguments","code":412}]}`
	unsupported  = `{"errors":[{"msg":"Unsupported Media Type","code":415}]}`
	notFound     = `{"errors":[{"msg":"Not Found","code":404}]}`
	notAllowed   = `{"errors":[{"msg":"Method Not Allowed","code":405}]}`
	badToken     = `{"errors":[{"msg":"Invalid SDK credentials","code":4002}]}`
	noToken      = `{"errors":[{"msg":"Invalid JWT token","code":4002}]}`
	badScope     = `{"errors":[{"msg":"Permission denied. Scope is incorrect!","code":4002}]}`
	expired      = `{"errors":[{"msg":"error verifying the jwt: jwt expired","code":401}]}`
	notActive    = `{"errors":[{"msg":"error verifying the jwt: jwt not active","code":401}]}`
	emptyEmails  = `{"errors":[{"msg":"deleteEmailIds cannot be empty","code":400}]}`
	emptyOrgIDs  = `{"errors":[{"msg":"orgUserIds cannot be empty","code":400}]}`
	unauthorized = "Unauthorized to perform this activity"
	noSuchEmail  = "User not found. Please check the provided email address."
	noSuchOrgID  = "User not found. Please check the provided org user id."
)

// failed is the answer with these failures.
func failed(items ...string) string {
	return `{"failedUserDetails":[` + strings.Join(items, ",") + `]}`
}

// byEmail is the failure of an address, given as JSON.
func byEmail(id, msg string) string { return failure(`"emailId":`+id, msg, "") }

// byOrgID is the failure of an orgUserId, given as JSON.
func byOrgID(id, msg string) string { return failure(`"orgUserId":`+id, msg, "") }

func failure(ids, msg, codes string) string {
	return fmt.Sprintf(`{%s,"reason":{"statusCode":400,"status":400,"customCode":400,"errors":[{"msg":"%s","code":400%s}],`+
		`"_headers":{},"message":"%s","name":"BadRequest"}}`, ids, msg, codes, msg)
}

// emails is the body that names these addresses.
func emails(addresses ...string) string {
	return `{"deleteEmailIds":["` + strings.Join(addresses, `","`) + `"]}`
}

// orgIDs is the body that names these organisation's own ids.
func orgIDs(ids ...string) string { return `{"orgUserIds":["` + strings.Join(ids, `","`) + `"]}` }

// scopeless is an app of the account that holds every scope but the one needed.
func scopeless(w *world) rostertest.App {
	return w.keep(w.AppWith(w.account, directory.OriginAdminConsole,
		directory.ScopeRoleManagement, directory.ScopeDeleteUserData, directory.ScopeAuditLogs))
}
