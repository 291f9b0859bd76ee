package storetest

import (
	"os"
	"syscall"
	"testing"
)

// Postgres is a PostgreSQL server of a test's own, which it can stop and start
// again. It ends with the test.
type Postgres struct {
	t      testing.TB
	server *postgresServer
	frozen []int // processes
}

// StopMode says how a server stops.
type StopMode syscall.Signal

// The modes of PostgreSQL's manual, "Shutting Down the Server".
const (
	// StopFast ends every connection, rolling back what runs, and shuts down in order.
	StopFast = StopMode(syscall.SIGINT)
	// StopImmediate drops everything at once, as a crash would; the next start recovers.
	StopImmediate = StopMode(syscall.SIGQUIT)
)

// StartPostgres starts a server.
func StartPostgres(t testing.TB) *Postgres {
	t.Helper()
	s, err := initPostgres()
	if err != nil {
		t.Fatalf("set up PostgreSQL: %v", err)
	}
	return run(t, s)
}

// run starts a server that ends with the test.
func run(t testing.TB, s *postgresServer) *Postgres {
	t.Helper()
	p := &Postgres{t: t, server: s}
	t.Cleanup(func() {
		p.Thaw()
		p.Stop(StopImmediate)
		s.admin.Close()
		os.RemoveAll(s.dir)
	})
	p.Start()
	return p
}

// New makes a database with the current schema and returns its DSN.
func (p *Postgres) New() string {
	p.t.Helper()
	dsn := p.server.dsn(p.server.database(p.t, "template0"))
	migrate(p.t, dsn)
	return dsn
}

// Stop stops the server and returns when it has ended. A server that does not
// run stays as it is.
func (p *Postgres) Stop(mode StopMode) {
	p.t.Helper()
	if err := p.server.stop(syscall.Signal(mode)); err != nil {
		p.t.Errorf("stop PostgreSQL: %v", err)
	}
}

// Start starts a stopped server on its old port, with its old data, and returns
// when it answers.
func (p *Postgres) Start() {
	p.t.Helper()
	if err := p.server.start(); err != nil {
		p.t.Fatalf("start PostgreSQL: %v", err)
	}
}
