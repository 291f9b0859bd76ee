package console_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"roster/internal/rostertest"
	"roster/internal/storetest"
)

// A server that starts with a clock far ahead erases nobody, and says so in its log, its
// metrics and on the pages of removals.
func TestPurgeThatWaitsIsSeen(t *testing.T) {
	t.Parallel()
	dsn := storetest.New(t, "sqlite")
	w := newWorld(t, dsn)
	removal, people := w.removeNamed(3)
	metrics := func(s *rostertest.Server) string {
		got := rostertest.Server{T: t, URL: strings.TrimSuffix(s.MetricsURL, "/metrics")}
		return got.Do(rostertest.Request{Method: http.MethodGet, Path: "/metrics"}).Body
	}
	if err := w.Stop(); err != nil {
		t.Fatal(err)
	}
	s := rostertest.Start(t, dsn, rostertest.Options{
		SecretKeyFile: w.KeyFile, Metrics: true, Clock: func() time.Time { return time.Now().Add(29*24*time.Hour + 12*time.Hour) },
	})
	for deadline := time.Now().Add(time.Minute); !strings.Contains(s.Log.String(), "the purge waits"); {
		if time.Now().After(deadline) {
			t.Fatalf("the log says\n%s", s.Log)
		}
	}
	if !strings.Contains(metrics(s), "\nroster_purge_waiting 1\n") {
		t.Error("the metrics do not say that the purge waits")
	}
	c := signedIn(t, s, helper)
	for _, path := range []string{"/console/removals", removal} {
		if page := c.get(path); !strings.Contains(page.body, "Nobody is erased at the moment") {
			t.Errorf("%s does not say that the purge waits:\n%s", path, page.body)
		}
	}
	if got := c.get(removal); len(got.listed()) != len(people) {
		t.Errorf("%d users can be restored", len(got.listed()))
	}
	// The first server's pages say nothing of the kind, nor do those of a server that
	// trusts its clock.
	w = newWorld(t, storetest.New(t, "sqlite"))
	removal, _ = w.removeNamed(1)
	if page := signedIn(t, w.Server, helper).get(removal); strings.Contains(page.body, "Nobody is erased") {
		t.Error("a purge that does not wait is said to")
	}
}
