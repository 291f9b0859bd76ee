package job_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"roster/internal/auth"
	"roster/internal/job"
	"roster/internal/roster"
	"roster/internal/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

// A server that starts brings the list of erasures up to date at once.
func TestErasuresAreListed(t *testing.T) {
	t.Parallel()
	r, err := roster.Open(t.Context(), roster.Options{Database: storetest.New(t, "sqlite")})
	if err != nil {
		t.Fatal(err)
	}
	list := filepath.Join(t.TempDir(), "erasures")
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan struct{})
	go func() {
		defer close(over)
		job.Erasures(ctx, r, list, slog.New(slog.DiscardHandler))
	}()
	for deadline := time.Now().Add(time.Minute); ; {
		content, err := os.ReadFile(list)
		if err == nil && strings.HasPrefix(string(content), "roster erasures 1\n") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the list is %q, %v", content, err)
		}
	}
	cancel()
	<-over
	if n, err := r.CountErasures(t.Context(), auth.Operator()); n != 0 || err != nil {
		t.Errorf("%d erasures, %v", n, err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}
