package publicapi_test

import (
	"context"
	"encoding/csv"
	"fmt"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"roster/internal/auth"
	"roster/internal/rostertest"
	"roster/internal/storetest"
)

const listPath = "/api/public/users/removals"

// get reads a path with a fresh token of the app.
func (w *world) get(app rostertest.App, path string, header map[string]string) rostertest.Answer {
	w.T.Helper()
	return w.send(rostertest.Request{Method: http.MethodGet, Path: path, Header: header, Token: app.Token(nil)})
}

// removing makes a removal and returns its id and the answer's body.
func (w *world) removing(body string) (id, answer string) {
	w.T.Helper()
	got := w.Remove(w.app, body)
	if got.Status != 200 {
		w.T.Fatalf("%s answered %d %s", body, got.Status, got.Body)
	}
	return got.Header.Get("X-Removal-Id"), got.Body
}

// resource is a removal as it should be read, without its failures. A call's
// removal begins and ends when its transaction does.
func (w *world) resource(id string, requested, removed, failed int) string {
	w.T.Helper()
	at := w.createdOn(id)
	return fmt.Sprintf(`{"id":"%s","state":"completed","requested":%d,"done":%d,"removed":%d,"failed":%d,"createdOn":"%s","finishedOn":"%s"`,
		id, requested, requested, removed, failed, at, at)
}

// createdOn is when a removal was made, as it is printed.
func (w *world) createdOn(id string) string {
	w.T.Helper()
	us := query[int64](w, `SELECT r.created_at FROM removals r JOIN accounts a ON a.id = r.account_id WHERE a.public_id = $1 AND r.public_id = $2`, id)
	return time.UnixMicro(us).UTC().Format("2006-01-02T15:04:05.000Z")
}

// everyFailure names Ann, whom it removes, and somebody for every reason and
// every form that an id can have.
const everyFailure = `{"deleteEmailIds":["ann@example.com","nobody@example.com","OWNER@example.com",7,"a \"b\",\r\nc;d","<é>\u2028\u0000"],` +
	`"orgUserIds":["E1"," E4 ","e9","=1+1","E\n\u0000",null,-1.50E+2]}`

var everyFailureAnswer = failed(
	byEmail(`"nobody@example.com"`, noSuchEmail), byEmail(`"OWNER@example.com"`, unauthorized), byEmail(`7`, badEmail),
	byEmail(`"a \"b\",\r\nc;d"`, badEmail), byEmail("\"<é>\u2028\\u0000\"", badEmail),
	failure(`"orgUserId":" E4 ","emailId":"Dan@example.com"`, unauthorized, ""), byOrgID(`"e9"`, noSuchOrgID), byOrgID(`"=1+1"`, noSuchOrgID),
	byOrgID(`"E\n\u0000"`, badOrgID), byOrgID(`null`, badOrgID), byOrgID(`-1.50E+2`, badOrgID),
)

// Contract 3.5: a plain call's removal can be read too, with the failures that
// its answer had, as JSON or as CSV.
func TestRemovalCanBeRead(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		w := start(t, dsn, rostertest.Options{})
		id, answer := w.removing(everyFailure)
		if answer != everyFailureAnswer {
			t.Fatalf("the call answered %s\nwant %s", answer, everyFailureAnswer)
		}
		want := w.resource(id, 12, 1, 11) + "," + strings.TrimPrefix(everyFailureAnswer, "{")
		vary := map[string]string{"Vary": "Accept", "Content-Disposition": "", "X-Removal-Id": ""}
		path := listPath + "/" + id
		w.compare(w.get(w.app, path, nil), 200, want, vary)
		w.compare(w.get(w.app, path+"/?reasons=all", header1("Accept", "text/csv;q=0.5,application/json")), 200, want, vary)

		// With codes, but without the bots that the answer of the call had.
		for _, r := range []struct{ msg, code string }{
			{noSuchEmail, "USER_NOT_FOUND"}, {noSuchOrgID, "USER_NOT_FOUND"}, {badEmail, "INVALID_ID"}, {badOrgID, "INVALID_ID"},
		} {
			want = strings.ReplaceAll(want, `"`+r.msg+`","code":400`, `"`+r.msg+`","code":400,"reasonCode":"`+r.code+`"`)
		}
		refusal := `"` + unauthorized + `","code":400`
		want = strings.Replace(want, refusal+"}", refusal+`,"reasonCode":"ACCOUNT_OWNER"}`, 1)
		want = strings.Replace(want, refusal+"}", refusal+`,"reasonCode":"BOT_OWNER"}`, 1)
		w.compare(w.get(w.app, path+"?reasons=codes", nil), 200, want, vary)

		got := w.get(w.app, path, header1("Accept", "text/csv"))
		w.compare(got, 200, "emailId,orgUserId,reason,reasonCode\n"+
			"nobody@example.com,,"+noSuchEmail+",USER_NOT_FOUND\n"+
			"OWNER@example.com,,"+unauthorized+",ACCOUNT_OWNER\n"+
			"7,,Invalid emailId,INVALID_ID\n"+
			"\"a \"\"b\"\",\r\nc;d\",,Invalid emailId,INVALID_ID\n"+
			"<é>\u2028\u0000,,Invalid emailId,INVALID_ID\n"+
			"Dan@example.com,\" E4 \","+unauthorized+",BOT_OWNER\n"+
			",e9,"+noSuchOrgID+",USER_NOT_FOUND\n"+
			",'=1+1,"+noSuchOrgID+",USER_NOT_FOUND\n"+
			",\"E\n\u0000\",Invalid orgUserId,INVALID_ID\n"+
			",null,Invalid orgUserId,INVALID_ID\n"+
			",'-1.50E+2,Invalid orgUserId,INVALID_ID\n",
			map[string]string{
				"Vary": "Accept", "Content-Type": "text/csv; charset=utf-8; header=present",
				"Content-Disposition": `attachment; filename="` + id + `.csv"`,
			})
		rows, err := csv.NewReader(strings.NewReader(got.Body)).ReadAll()
		if err != nil || len(rows) != 12 || rows[4][0] != "a \"b\",\nc;d" || rows[9][1] != "E\n\u0000" {
			t.Errorf("%v, read back: %q", err, rows)
		}
	})
}

// What a removal keeps of the refused is bounded, and counted whole.
func TestRemovalKeepsSomeFailures(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		w := start(t, dsn, rostertest.Options{})
		// A number that was cut would be no JSON any more.
		long := strings.Repeat("é", 200)
		ids := []string{`"` + long + `"`, strings.Repeat("1", 319) + "e5", strings.Repeat("2", 320)}
		for i := range 1500 {
			ids = append(ids, strconv.Itoa(i))
		}
		id, _ := w.removing(`{"orgUserIds":[` + strings.Join(ids, ",") + `]}`)
		kept := []string{
			byOrgID(`"`+strings.Repeat("é", 160)+`"`, noSuchOrgID), byOrgID(`"`+strings.Repeat("1", 319)+`e"`, badOrgID), byOrgID(ids[2], badOrgID),
		}
		for i := range 997 {
			kept = append(kept, byOrgID(strconv.Itoa(i), badOrgID))
		}
		want := w.resource(id, 1503, 0, 1503) + "," + strings.TrimPrefix(failed(kept...), "{")
		w.compare(w.get(w.app, listPath+"/"+id, nil), 200, want, nil)
	})
}

// Removals that leave nothing to say, and one that was purged.
func TestRemovalWithoutFailures(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		w := start(t, dsn, rostertest.Options{})
		const none = `,"failedUserDetails":[]}`
		all, _ := w.removing(emails(ann, bob))
		w.compare(w.get(w.app, listPath+"/"+all, nil), 200, w.resource(all, 2, 2, 0)+none, nil)
		table := w.get(w.app, listPath+"/"+all, header1("Accept", "text/*"))
		if want := "emailId,orgUserId,reason,reasonCode\n"; table.Body != want {
			t.Errorf("the table is %q", table.Body)
		}

		// All or nobody: who is kept with others did not fail.
		got := w.send(rostertest.Request{Path: "/api/public/users?atomic=true", Body: emails(cleo, "nobody@example.com"), Token: w.app.Token(nil)})
		atomic := got.Header.Get("X-Removal-Id")
		nobody := byEmail(`"nobody@example.com"`, noSuchEmail)
		w.compare(w.get(w.app, listPath+"/"+atomic, nil), 200, w.resource(atomic, 2, 0, 1)+","+strings.TrimPrefix(failed(nobody), "{"), nil)

		some, _ := w.removing(emails(cleo, "nobody@example.com"))
		if _, err := w.Roster.PurgeRemoval(context.Background(), auth.Operator(), w.account, some); err != nil {
			t.Fatal(err)
		}
		w.compare(w.get(w.app, listPath+"/"+some, nil), 200, w.resource(some, 2, 1, 1)+none, nil)
	})
}

// Contract 3.5 and 5: the list runs from the newest on; offset is a page number,
// and 50 the default and the most.
func TestRemovalsAreListed(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		w := start(t, dsn, rostertest.Options{})
		w.compare(w.get(w.app, listPath, nil), 200, `{"total":0,"availableMore":false,"removals":[]}`, map[string]string{"Vary": ""})

		w.Remove(w.otherApp, emails("foreign@example.com"))
		var items []string // the newest first
		for i := range 53 {
			id, _ := w.removing(emails(fmt.Sprintf("nobody%d@example.com", i), "x"))
			items = append([]string{w.resource(id, 2, 0, 2) + "}"}, items...)
		}
		for query, page := range map[string][2]int{
			"": {0, 50}, "?offset=1": {50, 53}, "?offset=2": {53, 53}, "?limit=1000": {0, 50}, "?limit=1000&offset=1": {50, 53},
			"?limit=3": {0, 3}, "?limit=3&offset=1": {3, 6}, "/?offset=17&limit=3": {51, 53}, "?limit=53&offset=0": {0, 50}, "?limit=1&offset=52": {52, 53},
			"?limit=10&offset=007": {53, 53}, "?limit=99999999999999999999": {0, 50}, "?offset=99999999999999999999": {53, 53},
			"?offset=9223372036854775807&limit=50": {53, 53}, "?offset=4611686018427387904&limit=2": {53, 53}, "?Limit=0&x=y": {0, 50},
		} {
			want := fmt.Sprintf(`{"total":53,"availableMore":%v,"removals":[%s]}`, page[0] < 53 && page[1] < 53, strings.Join(items[page[0]:page[1]], ","))
			w.compare(w.get(w.app, listPath+query, header1("Accept", "text/csv")), 200, want, map[string]string{"Vary": ""})
		}
	})
}

// Whose removals they are, and what is no removal.
func TestRemovalsOfOthers(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		w := start(t, dsn, rostertest.Options{})
		id, _ := w.removing(emails(ann))
		foreign := w.Remove(w.otherApp, emails("foreign@example.com")).Header.Get("X-Removal-Id")
		noScope := scopeless(w)
		before := w.Dump()

		list := `{"total":1,"availableMore":false,"removals":[` + w.resource(id, 1, 1, 0) + `}]}`
		w.compare(w.get(w.app, listPath, nil), 200, list, nil)
		var answers []rostertest.Answer
		for _, segment := range []string{
			foreign, "rm-", "rm-00000000-0000-4000-8000-000000000000", strings.ToUpper(id), id + "x", id + "%20", "%00", id + "%00", "%ff", "%ed%a0%80",
			strings.Repeat("x", 30_000), "'%20OR%20''='", "ann@example.com", "%2e%2e", "a%2fb", id + "%2f", "null", "1",
		} {
			for _, accept := range []string{"", "text/csv"} {
				got := w.get(w.app, listPath+"/"+segment, header1("Accept", accept))
				w.compare(got, 404, notFound, map[string]string{"Vary": "", "Content-Disposition": ""})
				got.Header.Del("X-Request-Id")
				got.Header.Del("Date")
				answers = append(answers, got)
			}
		}
		for _, got := range answers[1:] {
			if !reflect.DeepEqual(got, answers[0]) {
				t.Errorf("the answers tell removals of others from none: %v and %v", got, answers[0])
			}
		}
		w.compare(w.get(w.otherApp, listPath+"/"+id, nil), 404, notFound, nil)
		w.compare(w.get(noScope, listPath, nil), 401, badScope, nil)
		w.compare(w.get(noScope, listPath+"/"+id, nil), 401, badScope, nil)
		w.compare(w.get(noScope, listPath+"/"+foreign, nil), 401, badScope, nil)
		if got := w.get(w.app, listPath+"/"+id, nil); got.Status != 200 {
			t.Errorf("the account's own answered %d", got.Status)
		}
		w.unchanged(before)
	})
}

// Contract 1 holds for these paths too.
func TestRemovalRoutes(t *testing.T) {
	rows := []row{
		{says: "below an id there is nothing", method: "GET", path: listPath + "/x/y", status: 404, want: notFound},
		{says: "nor below two slashes", method: "GET", path: listPath + "//", status: 404, want: notFound},
		{says: "credentials before the query", method: "GET", path: listPath + "?limit=x", token: none, status: 401, want: badToken},
		{says: "credentials before the id", method: "GET", path: listPath + "/x", token: none, status: 401, want: badToken},
		{says: "scope before the query", method: "GET", path: listPath + "?limit=x", token: func(w *world) string { return scopeless(w).Token(nil) }, status: 401, want: badScope},
		{says: "a body is not looked at", method: "GET", path: listPath, header: header1("Content-Type", "text/plain"), body: "{", want: `{"total":0,"availableMore":false,"removals":[]}`},
		{says: "the query before the id", method: "GET", path: listPath + "/x?%zz", status: 412, want: invalidArgs},
		{says: "an unknown id", method: "GET", path: listPath + "/x?limit=x", status: 404, want: notFound, why: "Not Found"},
	}
	for path, allowed := range map[string]string{listPath: "GET", listPath + "/x": "DELETE, GET"} {
		for _, method := range []string{"POST", "PUT", "PATCH", "DELETE", "OPTIONS"} {
			if !strings.Contains(allowed, method) {
				rows = append(rows, row{
					says: method + " " + path, method: method, path: path, token: none, header: overridden("DELETE"), body: emails(ann),
					status: 405, want: notAllowed, headers: header1("Allow", allowed),
				})
			}
		}
		rows = append(rows, row{says: "HEAD " + path, method: "HEAD", path: path, token: none, status: 405, headers: header1("Allow", allowed)})
	}
	for _, query := range []string{
		"limit=0", "limit=00", "limit=", "limit", "limit=-1", "limit=+1", "limit=1.0", "limit=1e1", "limit=x", "limit=%201", "limit=1%00", "limit=0x10",
		"limit=1&limit=1", "offset=", "offset=-1", "offset=-0", "offset=x", "offset=1&offset=2", "limit=5&offset=1;2", "%zz", "limit=\u0661",
	} {
		rows = append(rows, row{says: query, method: "GET", path: listPath + "?" + query, status: 412, want: invalidArgs})
	}
	checkReading(t, rostertest.Options{}, rows)
}
