package publicapi_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"

	"roster/internal/publicapi"
	"roster/internal/rostertest"
	"roster/internal/storetest"
)

// async asks for a job.
func async(more map[string]string) map[string]string {
	h := header1("Prefer", "respond-async")
	maps.Copy(h, more)
	return h
}

// queue asks for a job and returns its id.
func (w *world) queue(body string) string {
	w.T.Helper()
	got := w.send(rostertest.Request{Body: body, Token: w.app.Token(nil), Header: async(nil)})
	if got.Status != http.StatusAccepted {
		w.T.Fatalf("%.200s answered %d %s", body, got.Status, got.Body)
	}
	return got.Header.Get("X-Removal-Id")
}

// finished waits until a job is over and returns it as it can be read.
func (w *world) finished(id string) rostertest.Answer {
	w.T.Helper()
	var got rostertest.Answer
	eventually(w.T, "the end of a job", func() bool {
		got = w.get(w.app, listPath+"/"+id, nil)
		var job struct{ State string }
		if err := json.Unmarshal([]byte(got.Body), &job); err != nil {
			w.T.Fatalf("%v: %d %s", err, got.Status, got.Body)
		}
		return job.State != "queued" && job.State != "running"
	})
	return got
}

// Contract 3.5: 202 with the resource as it stands, which in the end has what a
// plain call would have answered.
func TestJobIsDone(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		w := start(t, dsn, rostertest.Options{})
		got := w.send(rostertest.Request{Body: everyFailure, Token: w.app.Token(nil), Header: async(nil)})
		id := got.Header.Get("X-Removal-Id")
		created := w.createdOn(id)
		w.compare(got, http.StatusAccepted, fmt.Sprintf(
			`{"id":"%s","state":"queued","requested":13,"done":0,"removed":0,"failed":0,"createdOn":"%s","finishedOn":null,"failedUserDetails":[]}`, id, created),
			map[string]string{"Location": listPath + "/" + id, "Preference-Applied": "respond-async"})
		done := w.finished(id)
		want := w.resource(id, 12, 1, 11)
		want = want[:strings.LastIndex(want, `"finishedOn"`)]
		if !strings.HasPrefix(done.Body, want) || !strings.HasSuffix(done.Body, strings.TrimPrefix(everyFailureAnswer, "{")) {
			t.Errorf("got %s\nwant %s ... %s", done.Body, want, everyFailureAnswer)
		}
	})
}

const (
	jobAtomic  = `{"errors":[{"msg":"A job (Prefer: respond-async) cannot be atomic","code":400}]}`
	jobDryRun  = `{"errors":[{"msg":"A job (Prefer: respond-async) cannot be a dry run","code":400}]}`
	jobTooMany = `{"errors":[{"msg":"Too many users in one job: the limit is 3. Send them in several jobs.","code":413}]}`
	jobTooBig  = `{"errors":[{"msg":"Request body is too large: the limit is 200 bytes.","code":413}]}`
	jobRunning = `{"errors":[{"msg":"Removal is still running","code":409}]}`
	jobOver    = `{"errors":[{"msg":"Removal is over and can no longer be cancelled","code":409}]}`
)

// A body that is refused leaves nothing behind, and the faults come in a call's
// order.
func TestJobThatIsRefused(t *testing.T) {
	limits := publicapi.Limits{MaxIDs: 2, MaxBody: 100, MaxJobIDs: 3, MaxJobBody: 200}
	check(t, rostertest.Options{Limits: limits}, []row{
		{says: "no body", header: async(nil), status: 400, want: invalidJSON},
		{says: "a broken body", header: async(nil), body: emails(ann, bob)[:30], status: 400, want: invalidJSON},
		{says: "something behind it", header: async(nil), body: emails(ann) + "x", status: 400, want: invalidJSON},
		{says: "nobody", header: async(nil), body: `{"deleteEmailIds":[]}`, status: 400, want: emptyEmails},
		{says: "nobody by org id", header: async(nil), body: `{"orgUserIds":[]}`, status: 400, want: emptyOrgIDs},
		{says: "no list", header: async(nil), body: `{}`, status: 412, want: invalidArgs},
		{says: "a list in a list", header: async(nil), body: `{"deleteEmailIds":["Ann@Example.com",[]]}`, status: 412, want: invalidArgs},
		{says: "a list that is none, after one that is", header: async(nil), body: `{"deleteEmailIds":["Ann@Example.com"],"orgUserIds":"E2"}`, status: 412, want: invalidArgs},
		{says: "too many", header: async(nil), body: orgIDs("E1", "E2", "E3", "E4"), status: 413, want: jobTooMany},
		{says: "too large", header: async(nil), body: orgIDs("E1") + strings.Repeat(" ", 200), status: 413, want: jobTooBig},
		{says: "all or nobody", path: "/api/public/users?atomic=true", header: async(nil), body: emails(ann), status: 400, want: jobAtomic},
		{says: "a preview", path: "/api/public/users?dryRun=true", header: async(nil), body: emails(ann), status: 400, want: jobDryRun},
		{says: "both", path: "/api/public/users?dryRun=true&atomic=true", header: async(nil), body: "{", status: 400, want: jobAtomic},
		{says: "an option that cannot be read", path: "/api/public/users?dryrun=true", header: async(nil), body: emails(ann), status: 412, want: invalidArgs},
		{says: "the scope comes first", header: async(nil), token: func(w *world) string { return scopeless(w).Token(nil) }, status: 401, want: badScope},
		{says: "a call's limit is its own", body: orgIDs("E1", "E2", "E3"), status: 413, want: strings.Replace(jobTooMany, "one job: the limit is 3. Send them in several jobs.",
			"one call: the limit is 2. Send them in several calls, or as a job (Prefer: respond-async).", 1)},
		{says: "cancelling an unknown removal", path: listPath + "/x", status: 404, want: notFound},
	})
}

// The preference is found as RFC 7240 writes it, and nothing else asks for a job.
func TestPreferences(t *testing.T) {
	t.Parallel()
	w := start(t, storetest.New(t, "sqlite"), rostertest.Options{})
	for value, job := range map[string]bool{
		"respond-async": true, "Respond-Async": true, " respond-async ; x=1, wait=10": true, "wait=10, respond-async": true,
		`respond-async=""`: true, "respond-async;q=0": true,
		"respond-sync": false, "respond-async=1": false, "wait=10": false, "": false, "x;respond-async": false, "respond-async x": false,
	} {
		got := w.send(rostertest.Request{Body: emails("nobody@example.com"), Token: w.app.Token(nil), Header: header1("Prefer", value)})
		if got.Status == http.StatusAccepted != job {
			t.Errorf("%q answered %d", value, got.Status)
		}
		if !job && got.Header.Get("Preference-Applied") != "" {
			t.Errorf("%q was applied", value)
		}
		if job {
			w.finished(got.Header.Get("X-Removal-Id"))
		}
	}
}

// An over-ridden POST is the same, and a repeated job is the same job.
func TestJobIsRepeated(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		w := start(t, dsn, rostertest.Options{})
		send := func(method string, header map[string]string) rostertest.Answer {
			return w.send(rostertest.Request{Method: method, Body: emails(ann, "nobody@example.com"), Token: w.app.Token(nil), Header: header})
		}
		keyed := async(header1("Idempotency-Key", "k1"))
		first := send("DELETE", keyed)
		id := first.Header.Get("X-Removal-Id")
		done := w.finished(id)
		keyed["X-HTTP-Method-Override"] = "DELETE"
		again := send("POST", keyed)
		w.compare(again, http.StatusAccepted, first.Body, map[string]string{
			"Location": listPath + "/" + id, "Preference-Applied": "respond-async", "X-Removal-Id": id, "Idempotency-Replayed": "true",
		})
		w.compare(w.get(w.app, listPath+"/"+id, nil), 200, done.Body, nil)
		if n := query[int64](w, `SELECT COUNT(*) FROM removals r JOIN accounts a ON a.id = r.account_id WHERE a.public_id = $1 AND r.public_id <> $2`, id); n != 0 {
			t.Errorf("%d other removals", n)
		}
		delete(keyed, "Prefer")
		if got := send("DELETE", keyed); got.Status != http.StatusUnprocessableEntity {
			t.Errorf("the same as a call answered %d %s", got.Status, got.Body)
		}
		w.compare(w.send(rostertest.Request{Path: listPath + "/" + id, Token: w.app.Token(nil)}), 409, jobOver, nil)
	})
}

// A job that is not over is read without failures, not as a file, and not
// restored; cancelled it is over, and what it did can be undone.
func TestJobIsCancelled(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		w := start(t, dsn, rostertest.Options{})
		id, _ := w.removing(emails(ann, "nobody@example.com"))
		storetest.Exec(t, dsn, `INSERT INTO removal_jobs (account_id, id, state, batch_id, mixed, next_seq, spooled, created_at, turn_at)
SELECT account_id, id, 'running', 0, 0, 0, 0, 0, 0 FROM removals WHERE public_id = $1`, id) // nobody works on it
		storetest.Exec(t, dsn, `UPDATE removals SET requested = 9 WHERE public_id = $1`, id)
		body := fmt.Sprintf(`{"id":"%s","state":"running","requested":9,"done":2,"removed":1,"failed":1,"createdOn":"%s","finishedOn":null,"failedUserDetails":[]}`, id, w.createdOn(id))
		path := listPath + "/" + id
		w.compare(w.get(w.app, path, nil), 200, body, nil)
		w.compare(w.get(w.app, path, header1("Accept", "text/csv")), 409, jobRunning, nil)
		restore := rostertest.Request{Method: http.MethodPost, Path: path + "/restore", Body: "{}", Token: w.app.Token(nil)}
		w.compare(w.send(restore), 409, jobRunning, nil)
		w.compare(w.send(rostertest.Request{Path: path, Token: w.otherApp.Token(nil)}), 404, notFound, nil)

		got := w.send(rostertest.Request{Path: path, Token: w.app.Token(nil)})
		cancelled, _, _ := strings.Cut(strings.Replace(body, "running", "cancelled", 1), "null")
		if !strings.HasPrefix(got.Body, cancelled) || strings.Contains(got.Body, "null") || got.Status != 200 {
			t.Errorf("cancelling answered %d %s", got.Status, got.Body)
		}
		w.compare(w.send(rostertest.Request{Path: path, Token: w.app.Token(nil)}), 200, got.Body, nil)
		w.compare(w.send(restore), 200, restored, nil)
	})
}

// Of a job all failures are kept, in the order of its list, however many chunks
// it takes; ids that are too long are cut.
func TestJobKeepsAllFailures(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		w := start(t, dsn, rostertest.Options{})
		var ids, items, lines []string
		for i := range 2600 {
			id := fmt.Sprintf("nobody.%04d@example.com", i)
			ids, items, lines = append(ids, id), append(items, byEmail(`"`+id+`"`, noSuchEmail)), append(lines, id+",,"+noSuchEmail+",USER_NOT_FOUND\n")
		}
		long := strings.Repeat("é", 200) + "@example.com"
		cut := strings.Repeat("é", 160)
		id := w.queue(strings.Replace(emails(append(ids, long)...), "]", `,`+strings.Repeat("1", 400)+"]", 1))
		items = append(items, byEmail(`"`+cut+`"`, badEmail), byEmail(`"`+strings.Repeat("1", 320)+`"`, badEmail))
		got := w.finished(id)
		if want := "," + strings.TrimPrefix(failed(items...), "{"); !strings.HasSuffix(got.Body, want) {
			t.Errorf("%d bytes: %.300s ... %s", len(got.Body), got.Body, got.Body[len(got.Body)-700:])
		}
		got = w.get(w.app, listPath+"/"+id, header1("Accept", "text/csv"))
		want := "emailId,orgUserId,reason,reasonCode\n" + strings.Join(lines, "") + cut + ",," + "Invalid emailId,INVALID_ID\n" + strings.Repeat("1", 320) + ",,Invalid emailId,INVALID_ID\n"
		if got.Body != want {
			t.Errorf("%d bytes of CSV, want %d: ... %s", len(got.Body), len(want), got.Body[max(0, len(got.Body)-500):])
		}
	})
}
