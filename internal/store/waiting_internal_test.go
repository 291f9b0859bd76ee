package store

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"roster/internal/directory"
)

// patience bounds how long a test waits for what should happen at once.
const patience = 10 * time.Second

func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// ended is a context that is over.
func ended() context.Context {
	ctx, cancel := context.WithDeadline(context.Background(), time.Unix(0, 0))
	cancel()
	return ctx
}

// While a block of ids is reserved, which waits for a connection, ids that are
// left go on being handed out, and a caller who needs a block waits no longer than
// its context.
func TestIDsDoNotWaitForAConnection(t *testing.T) {
	t.Parallel()
	waits, conn := make(chan struct{}), make(chan struct{})
	next := int64(1)
	a := newAllocator(func(_ context.Context, n int64) (int64, error) {
		if next > 1 {
			waits <- struct{}{}
			<-conn
		}
		next += n
		return next - n, nil
	})
	if first, err := a.take(soon(t), 1); err != nil || first != 1 {
		t.Fatal(first, err)
	}
	large := make(chan int64)
	go func() {
		first, err := a.take(context.Background(), idBlock)
		if err != nil {
			t.Error(err)
		}
		large <- first
	}()
	<-waits
	got := make(chan int64)
	go func() {
		first, err := a.take(context.Background(), 1)
		if err != nil {
			t.Error(err)
		}
		got <- first
	}()
	select {
	case first := <-got:
		if first != 2 {
			t.Errorf("id %d, want 2", first)
		}
	case <-soon(t).Done():
		t.Error("an id that is left is not handed out while a block is reserved")
	}
	if _, err := a.take(ended(), idBlock); !errors.Is(err, directory.ErrUnavailable) {
		t.Errorf("a caller whose time is over: %v, want ErrUnavailable", err)
	}
	close(conn)
	if first := <-large; first != idBlock+1 {
		t.Errorf("id %d, want %d", first, idBlock+1)
	}
}

// While a statement is prepared, which waits for a connection, others that are
// prepared can be had, and nobody waits longer than its context.
func TestStatementsDoNotWaitForAConnection(t *testing.T) {
	t.Parallel()
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	p := &prepared{on: db}
	defer p.close()
	known, err := p.stmt(soon(t), "SELECT 1")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := db.Conn(soon(t)) // the only one
	if err != nil {
		t.Fatal(err)
	}
	type result struct {
		stmt *sql.Stmt
		err  error
	}
	prepare := func(query string) chan result {
		done := make(chan result, 1)
		go func() {
			stmt, err := p.stmt(context.Background(), query)
			done <- result{stmt, err}
		}()
		return done
	}
	first, second := prepare("SELECT 2"), prepare("SELECT 2")
	for limit := soon(t); db.Stats().WaitCount < 2; runtime.Gosched() {
		if limit.Err() != nil {
			t.Fatal("callers of two statements do not wait for the connection side by side")
		}
	}
	select {
	case got := <-prepare("SELECT 1"):
		if got.err != nil || got.stmt != known {
			t.Errorf("%v, %v", got.stmt, got.err)
		}
	case <-soon(t).Done():
		t.Error("a prepared statement waits for one that is not")
	}
	if _, err := p.stmt(ended(), "SELECT 3"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a caller whose time is over: %v", err)
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	one, other := <-first, <-second
	if one.err != nil || other.err != nil || one.stmt != other.stmt {
		t.Errorf("two who prepare the same: %v and %v", one, other)
	}
}

// A commit to a disk that hangs ends with its caller's time. The connection is not
// used by anybody else until the disk answers.
func TestCommitToADiskThatHangs(t *testing.T) {
	t.Parallel()
	s, err := Open(context.Background(), filepath.Join(t.TempDir(), "roster.db"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Migrate(context.Background()); err != nil {
		t.Fatal(err)
	}
	begun, err := s.begin(soon(t))
	if err != nil {
		t.Fatal(err)
	}
	hangs := make(chan struct{})
	sess := begun.(*sqliteSession)
	check := sess.check
	sess.check = func() error {
		<-hangs
		return check()
	}
	if err := sess.commit(ended(), nil); !errors.Is(err, errOutcomeUnknown) || !errors.Is(err, directory.ErrUnavailable) {
		t.Errorf("the commit ended with %v", err)
	}
	sess.end()
	if _, err := s.begin(ended()); err == nil {
		t.Error("a transaction begins on the connection of a commit that goes on")
	}
	close(hangs)
	next, err := s.begin(soon(t))
	if err != nil {
		t.Fatal(err)
	}
	next.end()
}

// Closing a database ends within its bound although a connection is in use.
func TestCloseEndsAlthoughAConnectionIsInUse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		free := make(chan struct{})
		s := &Store{close: func() error {
			<-free
			return nil
		}}
		began := time.Now()
		if err := s.Close(); err == nil || time.Since(began) != closeTimeout {
			t.Errorf("closed after %v: %v", time.Since(began), err)
		}
		close(free)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}
