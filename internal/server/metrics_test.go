package server_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"roster/internal/auth"
	"roster/internal/roster"
	"roster/internal/rostertest"
	"roster/internal/server"
	"roster/internal/storetest"
)

func scrape(t *testing.T, url string) string {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("scrape: %d, %v", resp.StatusCode, err)
	}
	return string(body)
}

// Why tokens are refused is counted in the metrics, stands in the log, and is
// kept with the app when the server stops.
func TestRefusedTokensAreCountedLoggedAndKept(t *testing.T) {
	t.Parallel()
	storetest.EachInLong(t, func(t *testing.T, dsn string) {
		s := rostertest.Start(t, dsn, rostertest.Options{Metrics: true})
		account := s.Account("owner@example.com")
		s.Users(account, "ann@example.com")
		app := s.App(account)
		wrong := rostertest.App{ClientID: app.ClientID, Secret: strings.Repeat("w", 44)}
		expired := app.Token(jwt.MapClaims{"exp": time.Now().Add(-time.Hour).Unix()})
		s.Do(rostertest.Request{})
		s.Remove(wrong, `{"deleteEmailIds":["ann@example.com"]}`)
		s.Do(rostertest.Request{Token: expired, Header: map[string]string{"X-Request-Id": "first"}})
		s.Do(rostertest.Request{Token: expired, Header: map[string]string{"X-Request-Id": "second"}})
		s.Remove(app, `{"deleteEmailIds":["ann@example.com","no@example.com"]}`)
		s.Do(rostertest.Request{Body: `{"deleteEmailIds":["no@example.com"]}`, Token: app.Token(nil), Header: map[string]string{"Prefer": "respond-async"}})
		s.Do(rostertest.Request{Method: "ANN", Path: "/ann@example.com"})

		want := []string{
			`roster_refused_tokens_total{reason="no_token"} 1`,
			`roster_refused_tokens_total{reason="wrong_signature"} 1`,
			`roster_refused_tokens_total{reason="expired"} 2`,
			`roster_refused_tokens_total{reason="replayed"} 0`,
			`roster_users_removed_total 1`,
			`roster_users_refused_total 2`,
			`roster_jobs_unfinished 0`,
			`roster_job_chunks_total 1`,
			`roster_jobs_ended_total{state="completed"} 1`,
			`roster_jobs_ended_total{state="cancelled"} 0`,
			`roster_jobs_ended_total{state="failed"} 0`,
			`roster_http_requests_total{method="DELETE",route="/api/public/users",status="202"} 1`,
			`roster_http_requests_total{method="DELETE",route="/api/public/users",status="200"} 1`,
			`roster_http_requests_total{method="DELETE",route="/api/public/users",status="401"} 4`,
			`roster_http_requests_total{method="other",route="unknown",status="404"} 1`,
			`roster_http_request_duration_seconds_count{route="/api/public/users"} 6`,
			`go_build_info{`, `go_goroutines `, `process_open_fds `,
		}
		var text, missing string
		for deadline := time.Now().Add(time.Minute); ; { // a request is counted after its answer
			text, missing = scrape(t, s.MetricsURL), ""
			for _, line := range want {
				if !strings.Contains(text, "\n"+line) {
					missing = line
				}
			}
			if missing == "" || time.Now().After(deadline) {
				break
			}
		}
		if missing != "" {
			t.Errorf("the metrics lack %s:\n%s", missing, text)
		}
		for _, secret := range []string{"@", app.ClientID, account, "cs-"} {
			if strings.Contains(text, secret) {
				t.Errorf("the metrics name %s", secret)
			}
		}
		if line := regexp.MustCompile(`.*"requestId":"second".*`).FindString(s.Log.String()); !strings.Contains(line, `"reason":"expired"`) {
			t.Errorf("logged: %s", line)
		}
		kept := func(r *roster.Roster) roster.AppDetails {
			details, err := r.App(context.Background(), auth.Operator(), app.ClientID)
			if err != nil {
				t.Fatal(err)
			}
			return details
		}
		for deadline := time.Now().Add(30 * time.Second); len(kept(s.Roster).Refusals) == 0; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("the refusals are not written while the server runs")
			}
		}
		s.Do(rostertest.Request{Token: expired, Header: map[string]string{"X-Request-Id": "third"}})
		if err := s.Stop(); err != nil {
			t.Fatal(err)
		}
		if resp, err := http.Get(s.MetricsURL); err == nil {
			resp.Body.Close()
			t.Error("metrics are served after the end")
		}

		r, err := roster.Open(context.Background(), roster.Options{Database: dsn})
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		all := kept(r)
		if len(all.Refusals) != 2 || all.Keys[0].LastUsed.IsZero() {
			t.Fatalf("kept %+v", all)
		}
		if got := all.Refusals[0]; got.Reason != "expired" || got.Count != 3 || got.RequestID != "third" || time.Since(got.Last) > time.Minute {
			t.Errorf("kept %+v", got)
		}
	})
}

// Without a port for metrics nothing is opened, and says which flag is wrong.
func TestMetricsNeedAPortOfTheirOwn(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	dsn := storetest.Empty(t, "sqlite")
	_, err = server.New(context.Background(), server.Config{
		Addr: "127.0.0.1:0", MetricsAddr: taken.Addr().String(),
		Roster: roster.Options{Database: dsn}, Log: slog.New(slog.DiscardHandler),
	})
	if err == nil || !strings.Contains(err.Error(), "--metrics-addr") {
		t.Errorf("started with a port that is taken: %v", err)
	}
}
