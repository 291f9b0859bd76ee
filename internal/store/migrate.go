package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"path"
	"strings"
	"text/template"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"
	"github.com/pressly/goose/v3/lock"
	"github.com/rogpeppe/go-internal/lockedfile"
)

//go:embed schema/*.sql
var schemaFiles embed.FS

// versionTable is where goose keeps which migrations ran.
const versionTable = "roster_migrations"

// How often, in seconds, and how many times a server asks for its turn to
// migrate a PostgreSQL database.
const (
	lockPeriod   = 1
	lockAttempts = 300
)

// schemaTypes fill in the schema's templates.
type schemaTypes struct {
	Postgres       bool
	Int, Blob, Key string
	Table          string
}

// SchemaState says how far the schema of a database has come.
type SchemaState int

// States of a schema.
const (
	SchemaFresh   SchemaState = iota // no table yet
	SchemaOld                        // made by an earlier version
	SchemaCurrent                    // what this version needs
	SchemaNewer                      // made by a later version
)

// SchemaState compares the database with what this version needs.
func (s *Store) SchemaState(ctx context.Context) (SchemaState, error) {
	target := schemaVersion()
	current, err := s.currentVersion(ctx)
	if err != nil {
		return 0, err
	}
	switch {
	case current == 0:
		return SchemaFresh, nil
	case current < target:
		return SchemaOld, nil
	case current > target:
		return SchemaNewer, nil
	}
	return SchemaCurrent, nil
}

// currentVersion reads goose's table without creating it, so that looking at a
// database never writes to it.
func (s *Store) currentVersion(ctx context.Context) (version int64, err error) {
	exists := "SELECT COUNT(*) FROM sqlite_schema WHERE name = '" + versionTable + "'"
	if s.engine.types.Postgres {
		exists = "SELECT COUNT(*) FROM pg_catalog.pg_class WHERE oid = to_regclass('" + versionTable + "')"
	}
	var n int
	if err := s.row(ctx, exists).Scan(&n); err != nil || n == 0 {
		return 0, err
	}
	err = s.row(ctx, "SELECT COALESCE(MAX(version_id), 0) FROM "+versionTable).Scan(&version)
	return version, err
}

// Migrate brings the schema to what this version needs. Servers that start
// together take turns. A database of a later version is refused.
func (s *Store) Migrate(ctx context.Context) error {
	if s.write == nil {
		return errors.New("the database has no tables yet: make an account with 'roster account create'")
	}
	unlock, err := s.lockMigrations(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	state, err := s.SchemaState(ctx)
	if err != nil {
		return err
	}
	switch state {
	case SchemaCurrent:
		return nil
	case SchemaNewer:
		return errors.New("the database was made by a later version of roster: run that version or restore a backup")
	}
	if s.pooler {
		return errors.New("the database must be migrated, which does not work through a connection pooler such as PgBouncer: " +
			"run 'roster migrate --database' with the URL of the PostgreSQL server itself")
	}
	p, err := s.migrations()
	if err != nil {
		return err
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("migrate the database: %w", s.engine.mapError(err))
	}
	return nil
}

// lockMigrations keeps other processes from migrating the same SQLite file.
// goose locks PostgreSQL itself.
func (s *Store) lockMigrations(ctx context.Context) (unlock func(), err error) {
	if s.engine.types.Postgres {
		return func() {}, nil
	}
	var file string
	if err := s.row(ctx, "SELECT file FROM pragma_database_list WHERE name = 'main'").Scan(&file); err != nil {
		return nil, err
	}
	unlock, err = lockedfile.MutexAt(file + ".migrate").Lock()
	return unlock, wrapf(err, "lock the database for migration")
}

func (s *Store) migrations() (*goose.Provider, error) {
	dialect := database.DialectSQLite3
	opts := []goose.ProviderOption{goose.WithTableName(versionTable), goose.WithDisableGlobalRegistry(true)}
	if s.engine.types.Postgres {
		dialect = database.DialectPostgres
		locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(lockPeriod, lockAttempts))
		if err != nil {
			return nil, err
		}
		opts = append(opts, goose.WithSessionLocker(locker))
	}
	steps, err := s.engine.steps()
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(dialect, s.write, nil, append(opts, goose.WithGoMigrations(steps...))...)
}

// steps makes a migration of each file in schema/. Its name starts with its version.
func (e *engine) steps() ([]*goose.Migration, error) {
	files, err := schemaFiles.ReadDir("schema")
	if err != nil {
		return nil, err
	}
	var steps []*goose.Migration
	for _, file := range files {
		version, err := versionOf(file.Name())
		if err != nil {
			return nil, fmt.Errorf("schema file %s has no version", file.Name())
		}
		tmpl, err := template.ParseFS(schemaFiles, path.Join("schema", file.Name()))
		if err != nil {
			return nil, err
		}
		var text strings.Builder
		if err := tmpl.Execute(&text, e.types); err != nil {
			return nil, err
		}
		steps = append(steps, goose.NewGoMigration(version, &goose.GoFunc{
			RunTx: func(ctx context.Context, tx *sql.Tx) error {
				if err := e.lockWriters(ctx, tx); err != nil {
					return err
				}
				if _, err := tx.ExecContext(ctx, text.String()); err != nil {
					return explainExtension(err)
				}
				if version == searchVersion {
					return fillSearch(ctx, e, tx)
				}
				return raiseLowestWriter(ctx, tx, version, text.String())
			},
		}, nil))
	}
	return steps, nil
}
