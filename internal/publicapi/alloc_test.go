package publicapi_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/publicapi"
	"roster/internal/roster"
	"roster/internal/rostertest"
	"roster/internal/storetest"
)

// TestAllocationsPerID bounds what each further id of a call costs the server,
// from the body to the answer: the difference between a long call and a short
// one. Measured: 10.0 allocations and 500 bytes with SQLite, 600 with PostgreSQL,
// for an id that leaves; 1.0 and 410 or 450 for one that does not; up to half
// as many bytes more with the race detector. It is not parallel, so that nothing
// else allocates.
//
//nolint:paralleltest // see above
func TestAllocationsPerID(t *testing.T) {
	for _, engine := range storetest.Engines {
		t.Run(engine, func(t *testing.T) {
			const short, long = 300, 3000
			a := newAllocTest(t, engine)
			users := a.people(short + allocRounds*(short+long))
			leavers := func(n int) (ids []string) {
				ids, users = users[:n], users[n:]
				return ids
			}
			a.perID("that leaves", leavers, short, long, 10.5, 850)
			a.perID("of a stranger", func(n int) []string {
				ids := make([]string, n)
				for i := range ids {
					ids[i] = fmt.Sprintf("nobody.%06d@example.com", i)
				}
				return ids
			}, short, long, 1.5, 850)
		})
	}
}

// allocRounds is how often a call of each length is made. The least counts: the
// collector, and by chance the race detector, empty the pools that buffers come from.
const allocRounds = 3

// allocTest serves the API without a connection: an HTTP client would allocate
// in the same process.
type allocTest struct {
	*testing.T
	roster  *roster.Roster
	api     *publicapi.API
	account string
	app     rostertest.App
}

func newAllocTest(t *testing.T, engine string) *allocTest {
	t.Helper()
	ctx := context.Background()
	r, err := roster.Open(ctx, roster.Options{
		Database: storetest.New(t, engine), Secrets: true, SecretKeyFile: filepath.Join(t.TempDir(), "secret.key"),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	a := &allocTest{T: t, roster: r, api: publicapi.New(r, slog.New(slog.DiscardHandler), publicapi.Limits{})}
	if a.account, err = r.CreateAccount(ctx, auth.Operator(), "X", "owner@example.com"); err != nil {
		t.Fatal(err)
	}
	a.app.ClientID, a.app.Secret, err = r.CreateApp(ctx, auth.Operator(), a.account,
		roster.NewApp{Name: "App", Scopes: []directory.Scope{directory.ScopeUserManagement}})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// people makes n members and returns their addresses.
func (a *allocTest) people(n int) []string {
	a.Helper()
	rows, emails := make([]roster.ImportRow, n), make([]string, n)
	for i := range rows {
		emails[i] = fmt.Sprintf("user.%06d@example.com", i)
		rows[i] = roster.ImportRow{Line: i + 1, Email: emails[i], OrgUserID: fmt.Sprintf("E%06d", i)}
	}
	out, err := a.roster.ImportUsers(context.Background(), auth.Operator(), a.account, rows, roster.ImportOptions{})
	if err != nil || out.Created != n {
		a.Fatalf("import: %v, %+v", err, out)
	}
	return emails
}

// perID makes a short call and a long one, and bounds what each further id of
// the long one has allocated.
func (a *allocTest) perID(who string, ids func(n int) []string, short, long int, mostAllocs, mostBytes float64) {
	a.Helper()
	a.call(ids(short)) // makes what is made once
	fewAllocs, fewBytes := a.least(ids, short)
	manyAllocs, manyBytes := a.least(ids, long)
	allocs := float64(manyAllocs-fewAllocs) / float64(long-short)
	size := float64(manyBytes-fewBytes) / float64(long-short)
	a.Logf("an id %s: %.2f allocations, %.0f bytes", who, allocs, size)
	if allocs > mostAllocs || size > mostBytes {
		a.Errorf("an id %s costs %.2f allocations and %.0f bytes, want at most %.1f and %.0f", who, allocs, size, mostAllocs, mostBytes)
	}
	if allocs < 0.9 { // its text alone is one
		a.Errorf("an id %s costs %.2f allocations: the test sees too little", who, allocs)
	}
}

// least is the least that a call of n ids allocated.
func (a *allocTest) least(ids func(n int) []string, n int) (allocs, size uint64) {
	a.Helper()
	allocs, size = a.call(ids(n))
	for range allocRounds - 1 {
		moreAllocs, moreSize := a.call(ids(n))
		allocs, size = min(allocs, moreAllocs), min(size, moreSize)
	}
	return allocs, size
}

// call removes users and returns what the server allocated.
func (a *allocTest) call(emails []string) (allocs, size uint64) {
	a.Helper()
	body := strings.NewReader(`{"deleteEmailIds":["` + strings.Join(emails, `","`) + `"]}`)
	req := httptest.NewRequest(http.MethodDelete, "/api/public/users", body)
	req.Header.Set("auth", a.app.Token(nil))
	answer := &discardAnswer{header: http.Header{}}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	a.api.ServeHTTP(answer, req)
	runtime.ReadMemStats(&after)
	if answer.status != 0 && answer.status != http.StatusOK {
		a.Fatalf("answer %d", answer.status)
	}
	return after.Mallocs - before.Mallocs, after.TotalAlloc - before.TotalAlloc
}

// discardAnswer is an answer that nobody reads.
type discardAnswer struct {
	header http.Header
	status int
}

func (d *discardAnswer) Header() http.Header         { return d.header }
func (d *discardAnswer) Write(p []byte) (int, error) { return len(p), nil }
func (d *discardAnswer) WriteHeader(status int)      { d.status = status }
