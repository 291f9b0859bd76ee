package server

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"runtime"
	"testing"

	"roster/internal/auth"
	"roster/internal/roster"
	"roster/internal/storetest"
)

// When the listener fails, a call that is being handled is finished before the
// database is closed.
func TestCallOutlivesAListenerThatFails(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s, err := New(ctx, Config{
		Addr: "127.0.0.1:0", Log: slog.New(slog.DiscardHandler),
		Roster: roster.Options{Database: storetest.New(t, "sqlite"), SecretKeyFile: filepath.Join(t.TempDir(), "secret.key")},
	})
	if err != nil {
		t.Fatal(err)
	}
	begun, goOn := make(chan struct{}), make(chan struct{})
	s.http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(begun)
		<-goOn
		if _, err := s.roster.Accounts(r.Context(), auth.Operator()); err != nil {
			t.Errorf("after the listener has failed: %v", err)
		}
		w.WriteHeader(http.StatusNoContent)
	})
	stopped := make(chan error, 1)
	go func() { stopped <- s.Run(ctx) }()
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		answer, err := http.Get(s.URL())
		if err != nil {
			t.Error(err)
			return
		}
		defer answer.Body.Close()
		if _, _ = io.Copy(io.Discard, answer.Body); answer.StatusCode != http.StatusNoContent {
			t.Errorf("answered %d", answer.StatusCode)
		}
	}()
	<-begun
	if err := s.listener.Close(); err != nil {
		t.Fatal(err)
	}
	// The server has noticed once it says that it is stopping.
	for !s.stopping.Load() {
		select {
		case err := <-stopped:
			t.Fatalf("stopped while a call was being handled: %v", err)
		case <-t.Context().Done():
			t.Fatal("the server does not stop")
		default:
			runtime.Gosched()
		}
	}
	close(goOn)
	<-answered
	if err := <-stopped; err == nil {
		t.Error("a listener that fails is no error")
	}
}
