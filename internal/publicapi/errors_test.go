package publicapi_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"roster/internal/publicapi"
	"roster/internal/rostertest"
	"roster/internal/web"
)

// A panic is our fault as well, and says no more than another.
func TestPanic(t *testing.T) {
	t.Parallel()
	log := &rostertest.Log{}
	server := httptest.NewServer(web.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		panic("out of luck")
	}), slog.New(slog.NewJSONHandler(log, nil)), web.Timeouts{Answer: time.Minute}, publicapi.OnPanic, nil))
	t.Cleanup(server.Close)
	w := &world{Server: &rostertest.Server{T: t, URL: server.URL, Log: log}}
	got := w.Do(rostertest.Request{Body: emails(ann)})
	w.compare(got, 500, `{"errors":[{"msg":"Internal Server Error","code":500}]}`, nil)
	w.accessLine(got.Header.Get("X-Request-Id"))
}

// Options of the contract that this version does not know must not be ignored:
// who asks for a preview wants nobody removed.
func TestOptionsNotBuilt(t *testing.T) {
	var rows []row
	for query, option := range map[string]string{
		"dryRun=true": "dryRun", "dryRun": "dryRun", "dryRun=1": "dryRun", "atomic=true": "atomic", "atomic=false&dryRun=TRUE": "dryRun",
	} {
		rows = append(rows, row{
			says: query, path: "/api/public/users?" + query, body: emails(ann), status: 501,
			want: `{"errors":[{"msg":"` + option + ` is not supported by this version","code":501}]}`,
		})
	}
	for _, query := range []string{"dryRun=true;x", "dryRun=%zz", "%zz&dryRun=true"} {
		rows = append(rows, row{says: "a query that cannot be read: " + query, path: "/api/public/users?" + query, body: emails(ann), status: 412, want: invalidArgs})
	}
	rows = append(rows, row{says: "unless they are off", path: "/api/public/users?dryRun=false&atomic=False", body: emails(ann), want: removed, gone: []string{ann}})
	check(t, rostertest.Options{}, rows)
}
