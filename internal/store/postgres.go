package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

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

// pingAfter is how long a connection may have been idle to be used unseen. A
// server does not restart in less, and who calls more seldom can spare a round
// trip; the driver's own second would let calls fail after a quick restart.
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

func (s *Store) openPostgres(ctx context.Context, dsn string) error {
	cfg, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		// The driver's text may quote the password.
		return directory.Errorf(directory.ErrInvalid, "the database URL should read postgres://user:password@host:5432/name")
	}
	cfg.ShouldPing = func(_ context.Context, p pgxpool.ShouldPingParams) bool { return p.IdleDuration > pingAfter }
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return err
	}
	s.write = stdlib.OpenDBFromPool(pool)
	s.read = s.write
	s.begin = func(ctx context.Context) (session, error) { return beginPostgres(ctx, s.write) }
	s.admit = s.admitPostgres
	s.reader = reader{q: s.read, engine: postgresEngine}
	s.close = func() error {
		err := s.write.Close()
		pool.Close()
		return err
	}
	if err := checkPostgres(ctx, s.write, cfg); err != nil {
		s.close() //nolint:errcheck // the first error counts
		return err
	}
	return nil
}

// checkPostgres refuses a server that would lose what it has acknowledged.
func checkPostgres(ctx context.Context, db *sql.DB, cfg *pgxpool.Config) error {
	var commit string
	if err := db.QueryRowContext(ctx, "SHOW synchronous_commit").Scan(&commit); err != nil {
		return explainPostgres(err, cfg)
	}
	if commit == "off" {
		return errors.New("the database runs with synchronous_commit = off and could lose removals it has confirmed: set it to on")
	}
	return nil
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
