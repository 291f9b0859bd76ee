package publicapi_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"roster/internal/rostertest"
	"roster/internal/storetest"
)

// async asks for a job.
func async(more ...string) map[string]string {
	h := map[string]string{"Prefer": "respond-async"}
	for i := 0; i < len(more); i += 2 {
		h[more[i]] = more[i+1]
	}
	return h
}

// queue asks for a job and returns its id.
func (w *world) queue(body string) string {
	w.T.Helper()
	got := w.send(rostertest.Request{Body: body, Token: w.app.Token(nil), Header: async()})
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
		got := w.send(rostertest.Request{Body: everyFailure, Token: w.app.Token(nil), Header: async()})
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
