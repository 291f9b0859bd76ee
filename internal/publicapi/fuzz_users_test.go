package publicapi_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"roster/internal/publicapi"
	"roster/internal/rostertest"
	"roster/internal/server"
	"roster/internal/storetest"
	"roster/internal/web"
)

// userSeeds are bodies of every form that has a meaning, and some that have none.
// $NAME stands for an id, with $F before it for one of another account.
var userSeeds = []string{
	`{"users":[{"userInfo":{"emailId":"eve@x.io","orgUserId":"E9","firstName":"<O'Neil> \u00e9","zip":"1"},"groups":["$GROUP"],` +
		`"roles":[{"roleId":"$ADMIN"},{"roleId":"$TESTER","botId":"$BOT"}],"assignBotTasks":[{"streamId":"$BOT","dialogs":["dg-1"]}],"canCreateBot":true,"isDeveloper":false}],"sendEmail":false}`,
	`{"users":[{"userInfo":{"emailId":"ANN@example.com","orgUserId":"E7"},"groups":{"addTo":["$GROUP"],"removeFrom":["$GROUP"]},` +
		`"roles":{"addTo":[{"roleId":"$TESTER","streamId":"$BOT"}],"removeFrom":[{"roleId":"$ADMIN"}]},"assignBotTasks":[{}]}]}`,
	`{"users":[{"userInfo":{"orgUserId":"E1","lastName":"\ud83d\ude00"}},{"userInfo":{"emailId":"foreign@example.com","orgUserId":"F1"}}]}`,
	`{"users":[{"userInfo":{"emailId":"foreign@example.com","city":"X"},"groups":["$FGROUP"],"roles":[{"roleId":"$FADMIN"}],"assignBotTasks":[{"botId":"$FBOT"}]}]}`,
	`{"users":[{"userInfo":{"emailId":"foreign@example.com"},"groups":{"addTo":["$FGROUP"]},"isDeveloper":false}]}`,
	`{"users":[{"userInfo":{"emailId":"a@x.io","emailId":"b@x.io"}}]}`,
	`{"users":[{"userInfo":{"emailId":"a\u0000@x.io","orgUserId":"\u0007","dept":"\u0000"}},null]}`,
	`{"users":[{"userInfo":{"emailId":"a@x.io"}}]}{}`,
	`{"users":[{"userInfo":{"emailId":"\ud800@x.io"}}`, `{"users":{}}`, `{"users":[]}`, `[]`, `null`, "\xff", ``,
	`{"users":[` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `]}`,
	`{"users":[{"userInfo":{"emailId":7,"orgUserId":1e999,"zip":-0}}],"sendEmail":null,"users2":[{}]}`,
}

// fuzzedUsers is a server to which any body is sent, with a connection beside it.
type fuzzedUsers struct {
	*world
	own, foreign int64 // internal ids of the accounts
	conn         *sql.Conn
}

// state is all that an account holds of people, and the end of its audit log.
func (f *fuzzedUsers) state(t *testing.T, account int64) string {
	t.Helper()
	var all strings.Builder
	for _, table := range []string{"members", "member_profiles", "group_members", "member_roles", "member_tasks", "audit_heads"} {
		rows, err := f.conn.QueryContext(context.Background(), "SELECT * FROM "+table+" WHERE account_id = $1 ORDER BY 1, 2", account) //nolint:unqueryvet // every column
		if err != nil {
			t.Fatal(err)
		}
		columns, err := rows.Columns()
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			cells := make([]any, len(columns))
			into := make([]any, len(columns))
			for i := range cells {
				into[i] = &cells[i]
			}
			if err := rows.Scan(into...); err != nil {
				t.Fatal(err)
			}
			fmt.Fprintln(&all, table, cells)
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		rows.Close()
	}
	return all.String()
}

// tidy removes who was made when there are many.
func (f *fuzzedUsers) tidy(t *testing.T) {
	t.Helper()
	members := f.Members(f.account)
	if len(members) < 100 {
		return
	}
	made := slices.DeleteFunc(members, func(email string) bool { return slices.Contains([]string{owner, ann, bob, cleo, dan}, email) })
	body, err := json.Marshal(map[string][]string{"deleteEmailIds": made})
	if err != nil {
		t.Fatal(err)
	}
	if got := f.Remove(f.app, string(body)); got.Body != `{"msg":"Users are removed Successfully"}` {
		t.Fatalf("answered %d %s", got.Status, got.Body)
	}
}

// FuzzUsers sends any body to the calls that make and change users. No call is a
// fault of the server's; a body that is refused changes nothing, and no body
// anything of another account; what is not JSON is refused; and as many users more
// are there as the answer says.
func FuzzUsers(f *testing.F) {
	s := rostertest.Start(f, storetest.New(f, "sqlite"), rostertest.Options{})
	w := &world{Server: s, vars: map[string]string{}}
	w.other = s.Account("other@example.com")
	s.Import(w.other, rostertest.Person{Email: "foreign@example.com", OrgUserID: "F1"}, rostertest.Person{Email: ann, OrgUserID: "F2"})
	w.account = w.other
	pairs := []string{"$FADMIN", w.roleID("admin"), "$FGROUP", w.group("Theirs", "foreign@example.com"), "$FBOT", s.Bot(w.other, "Theirs", "foreign@example.com")}
	w.recast()
	pairs = append(pairs, "$ADMIN", w.roleID("admin"), "$TESTER", w.roleID("Bot Tester"), "$GROUP", w.group("Staff", ann), "$BOT", w.vars["$DESK"])
	names := strings.NewReplacer(pairs...)
	conn, err := storetest.SQL(f, s.DSN).Conn(context.Background())
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { conn.Close() })
	users := &fuzzedUsers{world: w, conn: conn}
	for id, into := range map[string]*int64{w.account: &users.own, w.other: &users.foreign} {
		if err := conn.QueryRowContext(context.Background(), "SELECT id FROM accounts WHERE public_id = $1", id).Scan(into); err != nil {
			f.Fatal(err)
		}
	}
	log := slog.New(slog.DiscardHandler)
	door := web.Wrap(publicapi.New(s.Roster, log, publicapi.Limits{}), log, server.DefaultTimeouts.Timeouts, publicapi.OnPanic, nil)
	token := w.app.Token(nil)
	for _, body := range userSeeds {
		f.Add("POST", body)
		f.Add("PUT", body)
	}
	f.Fuzz(func(t *testing.T, method, body string) {
		if method != "PUT" {
			method = "POST"
		}
		users := &fuzzedUsers{world: w.at(t), own: users.own, foreign: users.foreign, conn: conn}
		users.tidy(t)
		body = names.Replace(body)
		before, theirs, members := users.state(t, users.own), users.state(t, users.foreign), len(users.Members(users.account))
		r := httptest.NewRequest(method, "/api/public/users", strings.NewReader(body))
		r.Header.Set("Auth", token)
		answer := httptest.NewRecorder()
		door.ServeHTTP(answer, r)
		changed, more := users.state(t, users.own) != before, len(users.Members(users.account))-members
		says := fmt.Sprintf("%s %q: answer %d %s", method, body, answer.Code, answer.Body)
		if answer.Code >= 500 || !json.Valid(answer.Body.Bytes()) {
			t.Error(says)
		}
		if answer.Code != 200 && changed {
			t.Errorf("%s; something was changed", says)
		}
		if (!json.Valid([]byte(body)) || !utf8.ValidString(body)) && answer.Code != 400 {
			t.Errorf("%s; it is not JSON", says)
		}
		if users.state(t, users.foreign) != theirs {
			t.Errorf("%s; another account was changed", says)
		}
		if want := usersMade(method, body, answer); answer.Code == 200 && more != want {
			t.Errorf("%s; %d users more, want %d", says, more, want)
		}
	})
}

// usersMade is how many users there should be more: those of the body who did not
// fail.
func usersMade(method, body string, answer *httptest.ResponseRecorder) int {
	var keys map[string]json.RawMessage
	var sent []json.RawMessage
	var got struct {
		Failed []json.RawMessage `json:"failedUserDetails"`
	}
	if method == "PUT" || json.Unmarshal([]byte(body), &keys) != nil || json.Unmarshal(keys["users"], &sent) != nil ||
		json.Unmarshal(answer.Body.Bytes(), &got) != nil {
		return 0
	}
	return len(sent) - len(got.Failed)
}
