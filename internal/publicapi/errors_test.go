package publicapi_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
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

// An option that cannot be read as on or off must not be ignored: who asks for a
// preview wants nobody removed.
func TestOptionsInOtherWords(t *testing.T) {
	var rows []row
	for _, query := range []string{
		"dryRun", "dryRun=", "dryRun=1", "dryRun=yes", "dryRun=true ", "dryRun=false&dryRun=true", "dryRun=true&dryRun=true",
		"dryrun=true", "DryRun=false", "dryRun=TRUE", "atomic", "atomic=1", "ATOMIC=true", "atomic=False", "atomic=false&dryRun=on",
		"dryRun=true;x", "dryRun=%zz", "%zz&dryRun=true",
	} {
		rows = append(rows, row{
			says: query, path: "/api/public/users?" + strings.ReplaceAll(query, " ", "%20"), body: emails(ann), status: 412, want: invalidArgs,
		})
	}
	rows = append(rows, row{says: "unless they are off", path: "/api/public/users?dryRun=false&atomic=false", body: emails(ann), want: removed, gone: []string{ann}})
	checkReading(t, rostertest.Options{}, rows)
}
