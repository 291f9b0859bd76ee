package publicapi_test

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/publicapi"
	"roster/internal/rostertest"
	"roster/internal/storetest"
	"roster/internal/web"
)

const (
	rateLimited = `{"errors":[{"msg":"Rate limit for this API has been reached. Please try again after some time.","code":429}]}`
	replayed    = `{"errors":[{"msg":"error verifying the jwt: possibly a replay","code":401}]}`
)

// testClock is a time that tests set.
type testClock struct{ us atomic.Int64 }

func newTestClock() *testClock {
	c := &testClock{}
	c.us.Store(noon * 1_000_000)
	return c
}

func (c *testClock) now() time.Time          { return time.UnixMicro(c.us.Load()) }
func (c *testClock) advance(d time.Duration) { c.us.Add(d.Microseconds()) }

func limits(t testing.TB, text string) directory.RateLimits {
	t.Helper()
	l, err := directory.ParseRateLimits(text)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// instances are two servers on one PostgreSQL database, or the one that a
// SQLite file has, and a way to start the first of them w.
func instances(t *testing.T, dsn string, o rostertest.Options) []*world {
	t.Helper()
	o.SecretKeyFile = filepath.Join(t.TempDir(), "secret.key")
	first := start(t, dsn, o)
	all := []*world{first}
	if first.Roster.Engine() == "postgres" {
		second := *first
		second.Server = rostertest.Start(t, dsn, o)
		all = append(all, &second)
	}
	return all
}

// together sends n requests at once, in turn to each of the servers, and counts
// the answers by status and body.
func together(all []*world, n int, request func(i int) rostertest.Request) map[string]int {
	var mu sync.Mutex
	counts := map[string]int{}
	var calls sync.WaitGroup
	ready := make(chan struct{})
	for i := range n {
		calls.Go(func() {
			<-ready
			got := all[i%len(all)].Do(request(i))
			mu.Lock()
			defer mu.Unlock()
			counts[fmt.Sprint(got.Status, " ", got.Body)]++
		})
	}
	close(ready)
	calls.Wait()
	return counts
}

// 200 calls of one account at once: exactly 60 pass.
func TestRateLimitOfCallsAtOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		clock := newTestClock()
		all := instances(t, dsn, rostertest.Options{RateLimits: directory.DefaultRateLimits(), Clock: clock.now})
		counts := together(all, 200, func(int) rostertest.Request {
			return rostertest.Request{Body: "no JSON", Token: all[0].app.Token(nil)}
		})
		if counts["400 "+invalidJSON] != 60 || counts["429 "+rateLimited] != 140 {
			t.Errorf("the answers: %v", counts)
		}
		other := all[0].Do(rostertest.Request{Body: "no JSON", Token: all[0].otherApp.Token(nil)})
		if other.Status != http.StatusBadRequest || other.Header.Get("RateLimit-Remaining") != "59" {
			t.Errorf("another account: %d %v", other.Status, other.Header)
		}
	})
}

// 1,000 uses of one token at once: exactly one passes, and none after a restart.
func TestReplaysAtOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		o := rostertest.Options{RateLimits: limits(t, "5000/m")}
		all := instances(t, dsn, o)
		token := all[0].app.Token(jwt.MapClaims{"jti": "once", "exp": time.Now().Add(time.Minute).Unix()})
		request := rostertest.Request{Body: emails(ann), Token: token}
		counts := together(all, 1000, func(int) rostertest.Request { return request })
		if counts["200 "+removed] != 1 || counts["401 "+replayed] != 999 {
			t.Errorf("the answers: %v", counts)
		}
		if got := all[0].Remove(all[0].app, emails(bob)); got.Header.Get("RateLimit-Remaining") != "4998" {
			t.Errorf("a replay took a slot: %v", got.Header)
		}
	})
}

// A token that was used before a restart is a replay after it.
func TestReplayAfterRestart(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		o := rostertest.Options{SecretKeyFile: filepath.Join(t.TempDir(), "secret.key")}
		w := &world{Server: rostertest.Start(t, dsn, o)}
		var apps []rostertest.App
		for _, o := range []string{owner, "other@example.com"} {
			account := w.Account(o)
			w.Users(account, ann)
			apps = append(apps, w.App(account))
		}
		soon := time.Now().Add(time.Minute).Unix()
		request := rostertest.Request{Body: emails(ann), Token: apps[0].Token(jwt.MapClaims{"jti": "once", "exp": soon})}
		w.compare(w.send(request), http.StatusOK, removed, nil)
		if err := w.Stop(); err != nil {
			t.Fatal(err)
		}
		w.Server = rostertest.Start(t, dsn, o)
		w.compare(w.send(request), http.StatusUnauthorized, replayed, nil)
		request.Token = apps[0].Token(jwt.MapClaims{"kore_jti": "once", "exp": soon})
		w.compare(w.send(request), http.StatusUnauthorized, replayed, nil)
		request.Token = apps[1].Token(jwt.MapClaims{"jti": "once", "exp": soon}) // another app's
		w.compare(w.send(request), http.StatusOK, removed, nil)
	})
}

// quotaHeaders are what an answer tells about the limits.
func quotaHeaders(limit, remaining, reset, policy string) map[string]string {
	return map[string]string{"RateLimit-Limit": limit, "RateLimit-Remaining": remaining, "RateLimit-Reset": reset, "RateLimit-Policy": policy}
}

// Contract 1 and 6: the rate limit comes after credentials and scope and before
// everything else, and every answer from there on has the headers.
func TestRateLimitInOrder(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		clock := newTestClock()
		w := start(t, dsn, rostertest.Options{RateLimits: limits(t, "5/m,7/h"), Clock: clock.now})
		soon := clock.now().Add(30 * time.Minute).Unix()
		once := func(jti string) string { return w.app.Token(jwt.MapClaims{"jti": jti, "exp": soon}) }
		none := quotaHeaders("", "", "", "")
		left := func(limit, remaining, reset string) map[string]string {
			return quotaHeaders(limit, remaining, reset, "5;w=60, 7;w=3600")
		}
		over := left("5", "0", "60")
		over["Retry-After"] = "60"
		for _, step := range []struct {
			says    string
			req     rostertest.Request
			status  int
			body    string
			headers map[string]string
		}{
			{"unknown path", rostertest.Request{Path: "/api/public/x", Token: once("a")}, 404, notFound, none},
			{"bad token", rostertest.Request{Token: "x"}, 401, noToken, none},
			{"no scope", rostertest.Request{Token: scopeless(w).Token(nil)}, 401, badScope, none},
			{"wrong type", rostertest.Request{Header: header1("Content-Type", "text/plain"), Token: once("a")}, 415, unsupported, left("5", "4", "60")},
			{"replay", rostertest.Request{Body: emails(ann), Token: once("a")}, 401, replayed, none},
			{"bad body", rostertest.Request{Body: "{", Token: once("b")}, 400, invalidJSON, left("5", "3", "60")},
			{"wrong list", rostertest.Request{Body: "{}", Token: w.app.Token(nil)}, 412, invalidArgs, left("5", "2", "60")},
			{"dry run", rostertest.Request{Path: "/api/public/users?dryRun", Token: w.app.Token(nil)}, 412, invalidArgs, left("5", "1", "60")},
			{"done", rostertest.Request{Body: emails(ann), Token: once("c")}, 200, removed, left("5", "0", "60")},
			{"over the limit", rostertest.Request{Body: "{", Token: once("d")}, 429, rateLimited, over},
			{"over the limit, wrong type", rostertest.Request{Header: header1("Content-Type", "text/plain"), Token: once("d")}, 429, rateLimited, over},
			{"replay over the limit", rostertest.Request{Body: "{", Token: once("c")}, 401, replayed, none},
			{"bad token over the limit", rostertest.Request{Body: "{", Token: "x"}, 401, noToken, none},
			{
				"wrong method over the limit",
				rostertest.Request{Method: http.MethodGet, Token: once("d")},
				405, notAllowed,
				map[string]string{"Allow": "DELETE, POST, PUT", "RateLimit-Limit": ""},
			},
		} {
			t.Log(step.says)
			w.compare(w.send(step.req), step.status, step.body, step.headers)
		}
		clock.advance(time.Minute)
		hour := left("7", "1", "3540")
		w.compare(w.send(rostertest.Request{Body: emails(bob), Token: once("d")}), 200, removed, hour)
	})
}

// Without limits no header tells of any.
func TestNoRateLimit(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		w := start(t, dsn, rostertest.Options{})
		for range 70 {
			w.compare(w.send(rostertest.Request{Body: "{", Token: w.app.Token(nil)}), 400, invalidJSON, quotaHeaders("", "", "", ""))
		}
	})
}

// An account's own limits go before those of the server, from its next call on.
func TestRateLimitOfAccount(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		clock := newTestClock()
		w := start(t, dsn, rostertest.Options{RateLimits: limits(t, "2/m"), Clock: clock.now})
		own := func(text string) {
			t.Helper()
			l := limits(t, text)
			if err := w.Roster.SetRateLimits(t.Context(), auth.Operator(), w.account, &l); err != nil {
				t.Fatal(err)
			}
		}
		call := func(status int, headers map[string]string) {
			t.Helper()
			body := invalidJSON
			if status == 429 {
				body = rateLimited
			}
			w.compare(w.send(rostertest.Request{Body: "{", Token: w.app.Token(nil)}), status, body, headers)
		}
		call(400, quotaHeaders("2", "1", "60", "2;w=60"))
		call(400, quotaHeaders("2", "0", "60", "2;w=60"))
		call(429, map[string]string{"Retry-After": "60", "RateLimit-Remaining": "0"})
		own("4/m")
		call(400, quotaHeaders("4", "1", "60", "4;w=60"))
		own("off")
		call(400, quotaHeaders("", "", "", ""))
		own("1/m") // all that count must go first
		clock.advance(time.Second)
		call(429, map[string]string{"Retry-After": "59", "RateLimit-Remaining": "0"})
		clock.advance(59 * time.Second)
		call(400, quotaHeaders("1", "0", "60", "1;w=60"))
		if err := w.Roster.SetRateLimits(t.Context(), auth.Operator(), w.account, nil); err != nil {
			t.Fatal(err)
		}
		call(400, quotaHeaders("2", "0", "60", "2;w=60"))
	})
}

// Refused credentials are limited by the address they come from. Good ones are
// served all the same, and only trusted proxies are believed about addresses.
func TestFailuresByAddress(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		clock := newTestClock()
		proxies, err := web.ParseProxies("127.0.0.0/8")
		if err != nil {
			t.Fatal(err)
		}
		o := rostertest.Options{Limits: publicapi.Limits{Failures: limits(t, "3/m")}, Clock: clock.now}
		direct := start(t, dsn, o)
		o.Limits.Proxies = proxies
		behind := start(t, storetest.New(t, "sqlite"), o)
		from := func(w *world, forwarded, token string) rostertest.Answer {
			return w.send(rostertest.Request{Body: "{", Token: token, Header: map[string]string{"X-Forwarded-For": forwarded}})
		}
		retry := map[string]string{"Retry-After": "20", "RateLimit-Limit": ""}
		for i, token := range []string{"", "x", scopeless(direct).Token(nil)} {
			if got := from(direct, fmt.Sprint("198.51.100.", i), token); got.Status != http.StatusUnauthorized {
				t.Errorf("failure %d: %d", i, got.Status)
			}
		}
		limited := from(direct, "198.51.100.9", "x") // a made up address helps nobody
		direct.compare(limited, 429, rateLimited, retry)
		line := direct.accessLine(limited.Header.Get("X-Request-Id"))
		if line["client"] != "127.0.0.1" || !strings.Contains(fmt.Sprint(line["why"]), "malformed") {
			t.Errorf("the log says %v", line)
		}
		good := from(direct, "198.51.100.9", direct.app.Token(nil))
		direct.compare(good, 400, invalidJSON, nil)
		if line := direct.accessLine(good.Header.Get("X-Request-Id")); line["client"] != nil {
			t.Errorf("the log has the address of a caller who was not refused: %v", line)
		}
		for range 3 {
			behind.compare(from(behind, "198.51.100.1", "x"), 401, noToken, nil)
			behind.compare(from(behind, "2001:db8::1", "x"), 401, noToken, nil)
		}
		behind.compare(from(behind, "198.51.100.1", "x"), 429, rateLimited, retry)
		behind.compare(from(behind, "2001:db8::2", "x"), 429, rateLimited, retry)
		behind.compare(from(behind, "198.51.100.2", "x"), 401, noToken, nil)
		clock.advance(20 * time.Second)
		behind.compare(from(behind, "198.51.100.1", "x"), 401, noToken, nil)
	})
}
