package store

import (
	"context"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"roster/internal/directory"
)

const (
	// probeEvery is how often the monitor looks at the server, and probeTimeout how long
	// an answer may take.
	probeEvery   = 2 * time.Second
	probeTimeout = 2 * time.Second
	// retryAfter is how long the monitor waits before it connects again after it
	// could not.
	retryAfter = 500 * time.Millisecond
)

// probe reads what /readyz needs to know.
const probe = `SELECT current_setting('transaction_read_only'), (SELECT MAX(version_id) FROM ` + versionTable + `), (` + lowestWriter + `)`

// monitor watches the PostgreSQL server on a connection of its own, so that it knows
// the server's state when all connections of the pool are in use or hang. When its
// connection no longer answers and it reaches another server, that server has taken
// over: the connections to the earlier one are closed, also those in use, because a
// server that hangs would keep them for minutes.
type monitor struct {
	cfg    *pgx.ConnConfig
	dialer *dialer
	pooled bool // a pooler manages the connections to servers

	conn   *pgx.Conn // nil while there is none
	server string    // that conn was connected to last
	asks   chan chan<- error
	cancel context.CancelFunc
	done   sync.WaitGroup
}

func startMonitor(cfg *pgx.ConnConfig, d *dialer, conn *pgx.Conn, pooled bool) *monitor {
	ctx, cancel := context.WithCancel(context.Background())
	m := &monitor{cfg: cfg, dialer: d, pooled: pooled, conn: conn, server: serverOf(conn), asks: make(chan chan<- error), cancel: cancel}
	m.done.Go(func() { m.run(ctx) })
	return m
}

func serverOf(conn *pgx.Conn) string {
	server, _ := linkOf(conn.PgConn()).server.Load().(string)
	return server
}

// stop ends the monitor and closes its connection.
func (m *monitor) stop() {
	m.cancel()
	m.done.Wait()
}

// check returns nil if the server can be written by this program. It waits for an
// answer, no longer than ctx. The error wraps directory.ErrUnavailable.
func (m *monitor) check(ctx context.Context) error {
	answer := make(chan error, 1)
	select {
	case m.asks <- answer:
	case <-ctx.Done():
		return directory.Errorf(directory.ErrUnavailable, "the database does not answer")
	}
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return directory.Errorf(directory.ErrUnavailable, "the database does not answer")
	}
}

func (m *monitor) run(ctx context.Context) {
	defer m.drop()
	wait := probeEvery
	for {
		var ask chan<- error
		select {
		case <-ctx.Done():
			return
		case ask = <-m.asks:
		case <-time.After(wait):
		}
		err := m.look(ctx)
		if wait = probeEvery; m.conn == nil {
			wait = retryAfter
		}
		if ask != nil {
			ask <- err
		}
	}
}

// look probes the server, after it has connected again where it must.
func (m *monitor) look(ctx context.Context) error {
	if m.conn != nil {
		if err := m.probe(ctx); m.conn != nil {
			return err
		}
	}
	if err := m.connect(ctx); err != nil {
		return postgresEngine.mapError(err)
	}
	return m.probe(ctx)
}

// connect opens the monitor's connection again and closes those of the pool if it
// reaches another server than before.
func (m *monitor) connect(ctx context.Context) error {
	m.dialer.readmit() // the server at an address that was given up may be back
	conn, err := connectPostgres(ctx, m.cfg)
	if err != nil {
		return err
	}
	m.conn = conn
	if server := serverOf(conn); server != m.server && !m.pooled {
		m.server = server
		m.dialer.supersede(server, linkOf(conn.PgConn()).Conn.RemoteAddr().String())
	}
	return nil
}

// probe drops the connection unless the server answers in time.
func (m *monitor) probe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	var readOnly string
	var version, lowest int64
	err := m.conn.QueryRow(ctx, probe, pgx.QueryExecModeExec).Scan(&readOnly, &version, &lowest)
	switch {
	case m.conn.IsClosed():
		m.conn = nil
		return directory.Errorf(directory.ErrUnavailable, "the database does not answer: %v", err)
	case err != nil:
		return postgresEngine.mapError(err)
	case readOnly != "off":
		return errReadOnlyServer
	}
	return checkVersions(version, lowest)
}

func (m *monitor) drop() {
	if m.conn != nil {
		ctx, cancel := context.WithTimeout(context.Background(), rollbackTimeout)
		defer cancel()
		_ = m.conn.Close(ctx)
	}
}
