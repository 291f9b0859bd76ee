package server_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/golang-jwt/jwt/v5"

	"roster/internal/directory"
	"roster/internal/rostertest"
	"roster/internal/storetest"
)

// step is a request, and the documented example that is its answer.
type step struct {
	status  int
	example string // under the operation's response for that status
	body    string
	query   string
	header  map[string]string
	token   func(*cast) string // nil for a good one
	before  func(*checker, *testing.T, *cast)
	invalid bool // the document does not allow this request
}

// cast is the account of the document's examples.
type cast struct {
	account        string
	app, scopeless rostertest.App
	bot            string
	group          string
}

func newCast(s *rostertest.Server) *cast {
	account := s.Account("olga@example.com")
	s.Import(account,
		rostertest.Person{Email: "ann@example.com"}, rostertest.Person{Email: "bo@example.com", OrgUserID: "E2345"},
		rostertest.Person{Email: "cy@example.com"}, rostertest.Person{Email: "dee@example.com", OrgUserID: "E1234"},
		rostertest.Person{Email: "eve@example.com", OrgUserID: "E5678"})
	return &cast{
		account:   account,
		app:       s.App(account),
		scopeless: s.AppWith(account, directory.OriginAdminConsole, directory.ScopeAuditLogs),
		bot:       s.Bot(account, "Help desk", "bo@example.com"),
	}
}

const (
	annAlone = `{"deleteEmailIds":["ann@example.com"]}`
	somebody = `{"deleteEmailIds":["bo@example.com","nobody@example.com","ann"]}`
	mixed    = `{"deleteEmailIds":["olga@example.com","ann@example.com"],"orgUserIds":["E2345","E9"," "],"includeMeta":true}`
)

func claims(c jwt.MapClaims) func(*cast) string {
	return func(p *cast) string { return p.app.Token(c) }
}

func fixed(token string) func(*cast) string { return func(*cast) string { return token } }

// removalSteps lead to every documented example but those in unprovoked.
var removalSteps = []step{
	{status: 200, example: "everybody", body: "addresses"},
	{status: 200, example: "everybody", body: "orgUserIds", query: "?reasons=codes"},
	{status: 200, example: "everybodyMeta", body: "both", query: "?dryRun=false&atomic=false&x=y"},
	{status: 200, example: "somebodyNot", body: somebody, header: map[string]string{"X-Request-Id": "mine"}},
	{status: 200, example: "somebodyNotCodes", body: mixed, query: "?reasons=codes"},
	{status: 200, example: "preview", body: "both", query: "?dryRun=true&atomic=true"},
	{status: 200, example: "nobody", body: `{"deleteEmailIds":["nobody@example.com","ann@example.com"]}`, query: "?atomic=true"},
	{status: 400, example: "noJSON", body: "{", invalid: true},
	{status: 400, example: "noJSON", invalid: true},
	{status: 400, example: "noAddresses", body: `{"deleteEmailIds":[]}`, invalid: true},
	{status: 400, example: "noOrgUserIds", body: `{"deleteEmailIds":null,"orgUserIds":[]}`, invalid: true},
	{status: 401, example: "credentials", body: annAlone, token: fixed(""), invalid: true},
	{status: 401, example: "malformed", body: annAlone, token: fixed("nonsense")},
	{status: 401, example: "scope", body: annAlone, token: func(p *cast) string { return p.scopeless.Token(nil) }},
	{status: 401, example: "expired", body: annAlone, token: claims(jwt.MapClaims{"exp": 1})},
	{status: 401, example: "notActive", body: annAlone, token: claims(jwt.MapClaims{"nbf": 9e9})},
	{status: 401, example: "replayed", body: annAlone, token: claims(jwt.MapClaims{"jti": "once", "exp": soon}), before: useOnce},
	{status: 412, example: "types", body: `{}`, invalid: true},
	{status: 412, example: "types", body: `{"deleteEmailIds":"ann@example.com"}`, invalid: true},
	{status: 412, example: "types", body: `{"deleteEmailIds":["ann@example.com",[]]}`, invalid: true},
	{status: 412, example: "types", body: `{"orgUserIds":["E1"],"includeMeta":"true"}`, invalid: true},
	{status: 412, example: "types", body: annAlone, query: "?dryRun=true;x"},
	{status: 412, example: "types", body: annAlone, query: "?atomic=1", invalid: true},
	{status: 413, example: "ids", body: `{"orgUserIds":["E1"` + strings.Repeat(`,"E1"`, 100_000) + `]}`},
	{status: 413, example: "body", body: annAlone + strings.Repeat(" ", 16<<20)},
	{status: 415, example: "type", body: annAlone, header: map[string]string{"Content-Type": "text/plain"}, invalid: true},
	{status: 200, example: "everybody", body: "addresses", header: useKey},
	{status: 412, example: "types", body: annAlone, header: map[string]string{"Idempotency-Key": "a b"}},
	{status: 422, example: "reused", body: annAlone, header: useKey, before: useKeyOnce},
	{status: 429, example: "limit", body: annAlone, before: noCallLeft},

	{status: 202, example: "queued", body: "addresses", header: respondAsync},
	{status: 400, example: "atomicJob", body: annAlone, header: respondAsync, query: "?atomic=true"},
	{status: 400, example: "dryRunJob", body: annAlone, header: respondAsync, query: "?dryRun=true"},
	{status: 413, example: "jobIds", body: `{"orgUserIds":["E1"` + strings.Repeat(`,"E1"`, 1_000_000) + `]}`, header: respondAsync},
	{status: 413, example: "jobBody", body: annAlone + strings.Repeat(" ", 64<<20), header: respondAsync},
	{status: 429, example: "jobs", body: annAlone, header: respondAsync, before: manyJobs},
}

// respondAsync asks for a job.
var respondAsync = map[string]string{"Prefer": "respond-async"}

// manyJobs gives the account as many unfinished jobs as it may have.
func manyJobs(c *checker, t *testing.T, people *cast) {
	t.Helper()
	for i := range 20 {
		storetest.Exec(t, c.DSN, `INSERT INTO removal_jobs (account_id, id, state, batch_id, mixed, next_seq, spooled, created_at, turn_at)
SELECT id, $2, 'spooling', 0, 0, 0, 1, 0, 9000000000000000 FROM accounts WHERE public_id = $1`, people.account, -1-i)
	}
}

// useKey is the header of a call that may be repeated.
var useKey = map[string]string{"Idempotency-Key": "5f0c2f0a-8f4e-4a0f-9c53-1f2a6f6f6d52"}

// useKeyOnce uses the key of useKey for a call of its own.
func useKeyOnce(c *checker, t *testing.T, people *cast) {
	t.Helper()
	got := c.Do(rostertest.Request{Body: `{"deleteEmailIds":["nobody@example.com"]}`, Header: useKey, Token: people.app.Token(nil)})
	if got.Status != http.StatusOK {
		t.Fatalf("the first use of a key answered %d", got.Status)
	}
}

// soon is when the tokens of these tests expire.
var soon = time.Now().Add(30 * time.Minute).Unix()

// useOnce spends the token of the step that it goes before.
func useOnce(c *checker, t *testing.T, people *cast) {
	t.Helper()
	got := c.Do(rostertest.Request{Body: "{", Token: people.app.Token(jwt.MapClaims{"jti": "once", "exp": soon})})
	if got.Status != http.StatusBadRequest {
		t.Fatalf("the first use of a token answered %d", got.Status)
	}
}

// noCallLeft makes the only call that the account may make.
func noCallLeft(c *checker, t *testing.T, people *cast) {
	t.Helper()
	oneCallAllowed(c, t, people)
	useOnce(c, t, people)
}

// unprovoked are the examples to which no request leads: they take two minutes
// of waiting, a call that is held up, a fault of ours, and a database that is gone.
// The tests of package publicapi look at the last three.
var unprovoked = []string{"408 late", "409 running", "500 fault", "503 database"}

// Real requests and answers are what the document says, byte for byte where it
// gives an example, and each of its examples is met.
func TestDocumentedRemovals(t *testing.T) {
	t.Parallel()
	storetest.EachInLong(t, func(t *testing.T, dsn string) {
		c := newChecker(t, rostertest.Start(t, dsn, rostertest.Options{RateLimits: directory.DefaultRateLimits()}))
		overridden := map[string]string{"X-HTTP-Method-Override": "Delete"}
		for method, header := range map[string]map[string]string{"DELETE": nil, "POST": overridden} {
			for i, st := range removalSteps {
				if method == "POST" && len(st.body) > 1<<20 && !storetest.Long() {
					continue // once is enough for what takes seconds to validate
				}
				t.Run(fmt.Sprintf("%s %d %s %d", method, st.status, st.example, i), func(t *testing.T) {
					c.removal(t, method, header, st)
				})
			}
		}
		if !t.Failed() {
			c.everyExampleSeenOf("/api/public/users", unprovoked, http.MethodDelete)
		}
	})
}

// removal sends the request of a step with a new cast, and checks both it and
// its answer.
func (c *checker) removal(t *testing.T, method string, header map[string]string, st step) {
	t.Helper()
	people := newCast(c.Server)
	c.step(t, people, st, rostertest.Request{
		Method: method, Path: "/api/public/users" + st.query, Body: c.requestExample("Removal", st.body), Header: header,
	})
}

// step sends the request of a step and checks both it and its answer.
func (c *checker) step(t *testing.T, people *cast, st step, req rostertest.Request) {
	t.Helper()
	all := map[string]string{}
	maps.Copy(all, req.Header)
	maps.Copy(all, st.header)
	req.Header = all
	req.Token = people.app.Token(nil)
	if st.token != nil {
		req.Token = st.token(people)
	}
	if st.before != nil {
		st.before(c, t, people)
	}
	in := c.input(t, req)
	if err := openapi3filter.ValidateRequest(t.Context(), in); (err != nil) != st.invalid {
		t.Errorf("the document finds wrong in the request: %v", err)
	}
	got := c.Do(req)
	if got.Status != st.status {
		t.Fatalf("answered %d %s", got.Status, got.Body)
	}
	c.answer(t, in, got)
	c.sameHeaders(t, in.Route.Operation, got)
	c.sameAsExample(t, in.Route.Operation, st, got.Body, people)
	c.seen[fmt.Sprintf("%s %d %s", documentedAs(req), st.status, st.example)] = true
}

// requestExample is the body of that name in the document, or the body itself.
func (c *checker) requestExample(kind, body string) string {
	example := c.doc.Components.RequestBodies[kind].Value.Content["application/json"].Examples[body]
	if example == nil {
		return body
	}
	text, err := json.Marshal(example.Value.Value)
	if err != nil {
		c.t.Fatal(err)
	}
	return string(text)
}

// sameHeaders checks that an answer has the headers that are documented for it,
// also those that the document leaves open because some accounts have no limits,
// and that an answer for which they are not documented has none of them.
func (c *checker) sameHeaders(t *testing.T, op *openapi3.Operation, got rostertest.Answer) {
	t.Helper()
	documented := op.Responses.Status(got.Status).Value.Headers
	for _, name := range []string{"RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset", "RateLimit-Policy", "Retry-After"} {
		if has := got.Header.Get(name) != ""; has != (documented[name] != nil) {
			t.Errorf("%d has %s: %v, documented: %v", got.Status, name, has, !has)
		}
	}
}

var (
	botID   = regexp.MustCompile(`st-[0-9a-f-]{36}`)
	groupID = regexp.MustCompile(`"e-[0-9a-f-]{36}`)
	// changing is what is another in each answer: ids, and times.
	changing = regexp.MustCompile(`(?:rm|u|e|o|st)-[0-9a-f-]{36}|\b[0-9a-f]{24}\b|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z`)
)

// sameAsExample compares a body with the step's example. The bot and the group of
// the example have the ids of those at hand.
func (c *checker) sameAsExample(t *testing.T, op *openapi3.Operation, st step, body string, people *cast) {
	t.Helper()
	example := op.Responses.Status(st.status).Value.Content["application/json"].Examples[st.example]
	if example == nil {
		t.Fatalf("the document has no example %s for %d", st.example, st.status)
	}
	text, err := json.Marshal(example.Value.Value)
	if err != nil {
		t.Fatal(err)
	}
	var want, got any
	text = groupID.ReplaceAll(botID.ReplaceAll(text, []byte(people.bot)), []byte(`"`+people.group))
	if err := json.Unmarshal(changing.ReplaceAll(text, nil), &want); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(changing.ReplaceAll([]byte(body), nil), &got); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(want, got) {
		t.Errorf("answered %s\n  example %s", body, text)
	}
}

// everyExampleSeen fails for documented examples that no step has met.
func (c *checker) everyExampleSeen(path string, but []string) {
	c.t.Helper()
	c.everyExampleSeenOf(path, but, slices.Collect(maps.Keys(c.doc.Paths.Value(path).Operations()))...)
}

// everyExampleSeenOf is everyExampleSeen for some methods of a path.
func (c *checker) everyExampleSeenOf(path string, but []string, methods ...string) {
	c.t.Helper()
	for _, method := range methods {
		op := c.doc.Paths.Value(path).GetOperation(method)
		for status, response := range op.Responses.Map() {
			for name := range response.Value.Content["application/json"].Examples {
				if !slices.Contains(but, status+" "+name) && !c.seen[method+" "+status+" "+name] {
					c.t.Errorf("nothing leads to the example %s of %s %s", name, method, status)
				}
			}
		}
	}
}

// The checks above find what they are for: answers that are a little wrong.
func TestDocumentFindsFaults(t *testing.T) {
	t.Parallel()
	c := newChecker(t, rostertest.Start(t, storetest.New(t, "sqlite"), rostertest.Options{}))
	people := newCast(c.Server)
	req := rostertest.Request{Method: "DELETE", Path: "/api/public/users?reasons=codes", Body: mixed, Token: people.app.Token(nil)}
	in, got := c.input(t, req), c.Do(req)
	if err := validate(t, in, got); err != nil {
		t.Fatalf("the answer itself: %v", err)
	}
	for _, fault := range [][2]string{
		{`"statusCode":400,`, ``},
		{`"_headers":{}`, `"_headers":{"a":1}`},
		{`"moreAvailable":false`, `"moreAvailable":true`},
		{`,"moreAvailable":false`, ``},
		{`"total":1`, `"total":"1"`},
		{`"reasonCode":"BOT_OWNER"`, `"reasonCode":"BOTS"`},
		{`"Invalid orgUserId"`, `"invalid orgUserId"`},
		{`"total":1`, `"total":1,"dryRun":false`},
		{`{"failedUserDetails"`, `{"msg":"Users are removed Successfully","failedUserDetails"`},
		{`"botName":"Help desk"`, `"name":"Help desk"`},
	} {
		wrong := got
		wrong.Body = strings.Replace(got.Body, fault[0], fault[1], 1)
		if wrong.Body == got.Body || validate(t, in, wrong) == nil {
			t.Errorf("nobody minds %s in place of %s", fault[1], fault[0])
		}
	}
	wrong := got
	wrong.Header = got.Header.Clone()
	wrong.Header.Del("X-Request-Id")
	if validate(t, in, wrong) == nil {
		t.Error("nobody misses X-Request-Id")
	}
	wrong = got
	wrong.Status = http.StatusTeapot
	if validate(t, in, wrong) == nil {
		t.Error("nobody minds an undocumented status")
	}
}
