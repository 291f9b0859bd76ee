package web_test

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"roster/internal/web"
)

// An answer that is cut off has its line in the log and its place in the metrics, as
// what it is: neither by the status that it began with nor by none.
func TestAbortedAnswerIsLoggedAndCounted(t *testing.T) {
	t.Parallel()
	for _, begun := range []bool{true, false} {
		var log strings.Builder
		observed := make(chan int, 1)
		door := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			web.SetRoute(r.Context(), "/things")
			if begun {
				_, _ = io.WriteString(w, "a part")
				_ = http.NewResponseController(w).Flush()
			}
			panic(http.ErrAbortHandler)
		})
		server := httptest.NewServer(web.Wrap(door, slog.New(slog.NewJSONHandler(&log, nil)), web.Timeouts{Answer: time.Minute},
			func(http.ResponseWriter, *http.Request) { t.Error("it is no panic of ours") },
			func(method, route string, status int, _ time.Duration) {
				if method != http.MethodGet || route != "/things" {
					t.Errorf("observed %s %s", method, route)
				}
				observed <- status
			}))
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(r)
		if err == nil {
			_, err = io.ReadAll(resp.Body)
			_ = resp.Body.Close()
		}
		if err == nil {
			t.Errorf("begun %v: the answer passes for the whole", begun)
		}
		if status := <-observed; status != web.StatusAborted {
			t.Errorf("begun %v: counted as %d", begun, status)
		}
		server.Close()
		var line struct {
			Route  string
			Status int
			Bytes  int
		}
		if err := json.Unmarshal([]byte(log.String()), &line); err != nil || line.Route != "/things" || line.Status != web.StatusAborted || begun != (line.Bytes > 0) {
			t.Errorf("begun %v: logged %s", begun, log.String())
		}
	}
}
