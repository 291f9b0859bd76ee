package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"

	"roster/internal/directory"
	"roster/internal/excerpt"
)

var postgresEngine = &engine{
	name:              "postgres",
	snapshot:          sql.LevelRepeatableRead,
	lock:              " ORDER BY m.id FOR NO KEY UPDATE OF m",
	hold:              " ORDER BY m.id FOR SHARE OF m",
	lockRows:          " FOR UPDATE",
	holdRows:          " FOR SHARE",
	lockJob:           " FOR UPDATE OF b",
	skipLocked:        " FOR UPDATE OF b SKIP LOCKED",
	pipelines:         true,
	types:             schemaTypes{Postgres: true, Int: "BIGINT", Blob: "BYTEA", Key: `TEXT COLLATE "C"`},
	idInRemoval:       "id + 0",
	emailKeyOfProfile: `split_part(f.sort_name, chr(10), 2)`,
	hasWord:           ` AND f.search_text LIKE '%%' || $%d || '%%'`,
	kind:              postgresKind,
}

// Codes of PostgreSQL, appendix A of its manual.
const (
	pgUniqueViolation      = "23505"
	pgClassConnection      = "08"
	pgClassRollback        = "40" // deadlock, serialization failure
	pgClassResources       = "53"
	pgClassOperator        = "57" // shutdown, cancelled query
	pgReadOnlyTransaction  = "25006"
	pgLockNotAvailable     = "55P03"
	pgInvalidPassword      = "28P01"
	pgInvalidAuthorization = "28000"
	pgNoSuchDatabase       = "3D000"
)

// pingAfter is how long a connection may have been idle to be used without a ping.
// A server does not restart in less. The driver's own default of a second would let
// calls fail after a quick restart.
const pingAfter = 100 * time.Millisecond

func postgresKind(err error) error {
	var connect *pgconn.ConnectError
	switch {
	case errors.As(err, &connect), pgconn.Timeout(err), pgconn.SafeToRetry(err),
		errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF): // the server crashed, and said nothing
		return directory.ErrUnavailable
	}
	var e *pgconn.PgError
	if !errors.As(err, &e) || len(e.Code) != 5 {
		return nil
	}
	switch e.Code {
	case pgUniqueViolation:
		return directory.ErrExists
	case pgReadOnlyTransaction, pgLockNotAvailable:
		return directory.ErrUnavailable
	}
	switch e.Code[:2] {
	case pgClassRollback:
		return errRolledBack
	case pgClassConnection, pgClassResources, pgClassOperator:
		return directory.ErrUnavailable
	}
	return nil
}

// IsPostgres says whether a database is named by the URL of a PostgreSQL server.
func IsPostgres(dsn string) bool {
	return strings.HasPrefix(dsn, "postgres://") || strings.HasPrefix(dsn, "postgresql://")
}

func (s *Store) openPostgres(ctx context.Context, dsn string, o Options) error {
	cfg, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		// The driver's text may quote the password.
		return directory.Errorf(directory.ErrInvalid, "the database URL should read postgres://user:password@host:5432/name")
	}
	dialer := newDialer()
	configurePostgres(cfg, dsn, dialer, o)
	first, err := connectPostgres(ctx, cfg.ConnConfig)
	if err != nil {
		return explainPostgres(err, cfg)
	}
	if err := checkPostgres(ctx, first); err != nil {
		_ = first.Close(ctx)
		return err
	}
	s.pooler = isPooled(first)
	if s.pooler {
		// A transaction may run on a server connection on which another one's statements
		// were prepared.
		cfg.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	}
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		_ = first.Close(ctx)
		return err
	}
	s.write = stdlib.OpenDBFromPool(pool)
	s.read = s.write
	s.begin = func(ctx context.Context) (session, error) { return beginPostgres(ctx, s.write) }
	s.admit = s.admitPostgres
	s.reader = reader{q: s.read, engine: postgresEngine}
	s.share = newShare(max(1, int(cfg.MaxConns)/2))
	s.turns = newShare(admissionsAtOnce)
	if o.Serve {
		s.monitor = startMonitor(cfg.ConnConfig, dialer, first, s.pooler)
	} else {
		_ = first.Close(ctx)
	}
	s.close = func() error {
		if s.monitor != nil {
			s.monitor.stop()
		}
		err := s.write.Close()
		pool.Close()
		return err
	}
	return nil
}

// configurePostgres sets what the URL of a database leaves open.
func configurePostgres(cfg *pgxpool.Config, dsn string, d *dialer, o Options) {
	cfg.ShouldPing = func(_ context.Context, p pgxpool.ShouldPingParams) bool { return p.IdleDuration > pingAfter }
	cfg.PingTimeout = probeTimeout
	cfg.AfterConnect = identifyServer
	if !sets(dsn, "pool_max_conns", "") {
		cfg.MaxConns = int32(max(16, 4*runtime.NumCPU()))
	}
	conn := cfg.ConnConfig
	if !sets(dsn, "connect_timeout", "PGCONNECT_TIMEOUT") {
		conn.ConnectTimeout = connectTimeout
	}
	// Of several servers, one can be written to.
	if len(conn.Fallbacks) > 0 && !o.ReadOnly && !sets(dsn, "target_session_attrs", "PGTARGETSESSIONATTRS") {
		conn.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
	conn.DialFunc = d.dial
	conn.OnNotice = onNotice
}

// sets says whether a database URL or an environment variable sets a parameter.
func sets(dsn, parameter, variable string) bool {
	_, query, _ := strings.Cut(dsn, "?")
	values, _ := url.ParseQuery(query)
	return values.Has(parameter) || variable != "" && os.Getenv(variable) != ""
}

// connectPostgres opens a connection outside of a pool.
func connectPostgres(ctx context.Context, cfg *pgx.ConnConfig) (*pgx.Conn, error) {
	conn, err := pgx.ConnectConfig(ctx, cfg.Copy())
	if err != nil {
		return nil, err
	}
	if err := identifyServer(ctx, conn); err != nil {
		_ = conn.Close(ctx)
		return nil, err
	}
	return conn, nil
}

// identifyServer notes which server a connection reaches: no two servers were started
// in the same microsecond.
func identifyServer(ctx context.Context, conn *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	var server string
	if err := conn.QueryRow(ctx, "SELECT CAST(pg_postmaster_start_time() AS TEXT)", pgx.QueryExecModeExec).Scan(&server); err != nil {
		return err
	}
	linkOf(conn.PgConn()).server.Store(server)
	return nil
}

// checkPostgres refuses a server that would lose what it has acknowledged.
func checkPostgres(ctx context.Context, conn *pgx.Conn) error {
	var commit string
	if err := conn.QueryRow(ctx, "SHOW synchronous_commit", pgx.QueryExecModeExec).Scan(&commit); err != nil {
		return err
	}
	if commit == "off" {
		return errors.New("the database runs with synchronous_commit = off and could lose removals it has confirmed: set it to on")
	}
	return nil
}

// isPooled says whether a pooler such as PgBouncer is between this program and the
// server. A pooler announces a process id of its own to a client.
func isPooled(conn *pgx.Conn) bool {
	var pid uint32
	err := conn.QueryRow(context.Background(), "SELECT pg_backend_pid()", pgx.QueryExecModeExec).Scan(&pid)
	return err == nil && pid != conn.PgConn().PID()
}

func explainPostgres(err error, cfg *pgxpool.Config) error {
	at := fmt.Sprintf("%s:%d", cfg.ConnConfig.Host, cfg.ConnConfig.Port)
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch e.Code {
		case pgNoSuchDatabase:
			return fmt.Errorf("PostgreSQL at %s has no database %q: make it with createdb", at, excerpt.Of(cfg.ConnConfig.Database))
		case pgInvalidPassword, pgInvalidAuthorization:
			return fmt.Errorf("PostgreSQL at %s refuses user %q: check the user and password in --database", at, excerpt.Of(cfg.ConnConfig.User))
		}
		return fmt.Errorf("PostgreSQL at %s refuses the connection: %s", at, e.Message)
	}
	if dial, ok := errors.AsType[*net.OpError](err); ok { // the rest repeats it for each attempt
		err = dial
	}
	return directory.Errorf(directory.ErrUnavailable, "cannot reach PostgreSQL at %s: %v", at, err)
}
