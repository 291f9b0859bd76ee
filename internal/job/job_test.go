package job_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/job"
	"roster/internal/roster"
	"roster/internal/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

// A server that starts brings the list of erasures up to date at once.
func TestErasuresAreListed(t *testing.T) {
	t.Parallel()
	operator := auth.Operator()
	r, err := roster.Open(t.Context(), roster.Options{Database: storetest.New(t, "sqlite"), RestoreWindow: time.Nanosecond})
	must(t, err)
	account, err := r.CreateAccount(t.Context(), operator, "X", "owner@x.io")
	must(t, err)
	_, err = r.ImportUsers(t.Context(), operator, account, []roster.ImportRow{{Line: 1, Email: "ann@x.io"}}, roster.ImportOptions{})
	must(t, err)
	app := directory.App{ID: 1, Account: 2, Origin: directory.OriginAdminConsole, Scopes: []directory.Scope{directory.ScopeUserManagement}}
	out, err := r.RemoveUsers(t.Context(), auth.AppCaller(app, auth.Claims{}), []directory.UserRef{{Text: "ann@x.io"}}, roster.RemovalOptions{})
	must(t, err)
	_, err = r.PurgeRemoval(t.Context(), operator, account, out.PublicID)
	must(t, err)
	list := filepath.Join(t.TempDir(), "erasures")
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan struct{})
	go func() {
		defer close(over)
		job.Erasures(ctx, r, list, slog.New(slog.DiscardHandler))
	}()
	for deadline := time.Now().Add(time.Minute); ; {
		content, err := os.ReadFile(list)
		if err == nil && listed.Match(content) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the list is %q, %v", content, err)
		}
	}
	cancel()
	<-over
	must(t, r.Close())
}

// listed is a list of one erasure.
var listed = regexp.MustCompile(`^roster erasures 1\n[0-9a-f]{64}\n$`)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
