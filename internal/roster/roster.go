// Package roster has the verbs of the product: remove users, create an account,
// an app, a bot, import people, verify the audit log. Each checks the caller's
// rights, applies the rules of package directory and does its work in one
// transaction with its audit record. Every door calls these verbs and nothing
// below them.
//
// It knows no HTTP, no command line and no SQL.
package roster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/outfile"
	"roster/internal/store"
)

// Roster is an open directory. It is safe for concurrent use.
type Roster struct {
	store    *store.Store
	keys     *secretKeys                      // nil unless Options.Secrets asked for them
	platform atomic.Pointer[auth.PlatformKey] // once it was read
	notes    *notes
	known    atomic.Pointer[string] // client id of the app that called last
	options  Options
	// window is how long a removal that is made now can be undone; 0 erases at once.
	window time.Duration
	clock  purgeClock
	limits directory.RateLimits // of accounts that have none of their own
	jobs   jobs
	// restoreAtOnce is how many members one transaction restores at the most.
	restoreAtOnce int
}

// DefaultRestoreWindow is how long a removal can be undone unless Options say
// otherwise.
const DefaultRestoreWindow = 30 * 24 * time.Hour

// Migration says what to do about the schema of a database that is opened.
type Migration int

// What may be migrated when a database is opened.
const (
	// MigrateFresh sets up an empty database and refuses an old one.
	MigrateFresh Migration = iota
	// MigrateAll also brings an old one up to date.
	MigrateAll
)

// Options say what to open.
type Options struct {
	// Database is the path of a SQLite file or a postgres:// URL.
	Database string
	// MustExist refuses to make a new SQLite file.
	MustExist bool
	Migration Migration
	// ReadOnly is for a caller that only reads. A SQLite database can then be read where
	// its file or its directory cannot be written.
	ReadOnly bool
	// Serve is set by a server. There is one at a time to a SQLite database, and it
	// makes no new one beside the secret key of one that is missing.
	Serve bool
	// Secrets is set by whoever reads or writes client secrets: the secret key
	// is then loaded, or made when the database holds no secret yet.
	Secrets bool
	// SecretKeyFile is the path of the secret key's file; empty for its usual place.
	SecretKeyFile string
	// RestoreWindow is how long a removal that is made now can be undone, after which
	// PurgeExpired erases its users; 0 for DefaultRestoreWindow. See AdoptRestoreWindow
	// about removals that were made before.
	RestoreWindow time.Duration
	// EraseAtOnce makes a removal that is made now erase in its own transaction, with no
	// way back.
	EraseAtOnce bool
	// RateLimits are those of every account that has none of its own; none for
	// no limit.
	RateLimits directory.RateLimits
	// JobChunk is the most users that one transaction of a job removes; 0 for
	// DefaultJobChunk.
	JobChunk int
	// RestoreAtOnce is how many members of a whole removal one transaction restores at the
	// most; 0 for 100,000. Tests have no time for so many.
	RestoreAtOnce int
	// Store passes test hooks on.
	Store store.Options
}

// Open opens a directory. Its errors say what to do.
func Open(ctx context.Context, o Options) (*Roster, error) {
	o.Store.MustExist, o.Store.ReadOnly, o.Store.Serve = o.MustExist, o.ReadOnly, o.Serve
	if err := checkNotLost(o); err != nil {
		return nil, err
	}
	s, err := store.Open(ctx, o.Database, o.Store)
	if err != nil {
		return nil, err
	}
	r := &Roster{store: s, notes: newNotes(), options: o, window: o.RestoreWindow, limits: o.RateLimits, jobs: newJobs(o.JobChunk), restoreAtOnce: cmp.Or(o.RestoreAtOnce, restoreAtOnce)}
	switch {
	case o.EraseAtOnce:
		r.window = 0
	case o.RestoreWindow == 0:
		r.window = DefaultRestoreWindow
	}
	if err := r.prepare(ctx, o); err != nil {
		s.Close()
		return nil, err
	}
	return r, nil
}

// Create opens a directory and runs fn. A SQLite database that does not exist is
// made, and gets its name only if fn succeeds: nothing is left of a failure.
func Create(ctx context.Context, o Options, fn func(*Roster) error) error {
	path := o.Database
	if !store.IsNewFile(path) {
		return with(ctx, o, fn)
	}
	if err := store.CheckNew(path); err != nil {
		if store.IsNewFile(path) {
			return err
		}
		return with(ctx, o, fn) // another process was quicker
	}
	dir, err := os.MkdirTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("make room for the database: %w", err)
	}
	defer os.RemoveAll(dir)
	o.Database = filepath.Join(dir, "part.db")
	if err := with(ctx, o, fn); err != nil {
		return err
	}
	err = outfile.Link(o.Database, path)
	if errors.Is(err, os.ErrExist) { // another process was quicker
		o.Database = path
		return with(ctx, o, fn)
	}
	return err
}

func with(ctx context.Context, o Options, fn func(*Roster) error) error {
	r, err := Open(ctx, o)
	if err != nil {
		return err
	}
	return errors.Join(fn(r), r.Close())
}

// checkNotLost refuses to serve a new SQLite database in the place of one that is
// missing, as its secret key shows.
func checkNotLost(o Options) error {
	key := o.Database + ".key"
	if !o.Serve || o.SecretKeyFile != "" || !store.IsNewFile(o.Database) {
		return nil
	}
	if _, err := os.Stat(key); err == nil {
		return fmt.Errorf("the database file %s is missing, but its key %s is there: restore a backup with 'roster db restore', "+
			"or make a new database with 'roster account create'", o.Database, key)
	}
	return nil
}

func (r *Roster) prepare(ctx context.Context, o Options) error {
	state, err := r.store.SchemaState(ctx)
	if err != nil {
		return fmt.Errorf("read the schema version: %w", err)
	}
	if state == store.SchemaOld && o.Migration != MigrateAll {
		return errors.New("the database was made by an earlier version: back it up and run 'roster migrate' (or start 'roster serve')")
	}
	if state != store.SchemaCurrent {
		if err := r.store.Migrate(ctx); err != nil {
			return err
		}
	}
	if !o.Secrets {
		return nil
	}
	file, err := r.keyFile()
	if err != nil {
		return err
	}
	r.keys, err = loadKeys(ctx, r.store, file)
	return err
}

// Close closes the database after running calls have ended.
func (r *Roster) Close() error { return r.store.Close() }

// Engine names the database engine: "sqlite" or "postgres".
func (r *Roster) Engine() string { return r.store.Engine() }

// Ready returns nil while the database can be reached and written, and its schema
// is one that this version can work with.
func (r *Roster) Ready(ctx context.Context) error { return r.store.Ready(ctx) }

// keyFile is the file of the secret key, whether it exists or not.
func (r *Roster) keyFile() (auth.KeyFile, error) {
	file := auth.KeyFile{Path: r.options.SecretKeyFile, Trace: r.options.Store.Trace}
	switch {
	case file.Path != "":
	case r.store.Engine() == "sqlite":
		file.Path = r.options.Database + ".key"
	default:
		home, err := os.UserHomeDir()
		if err != nil {
			return file, fmt.Errorf("find a place for the secret key: %w: set --secret-key-file", err)
		}
		file.Path = filepath.Join(home, ".config", "roster", "secret.key")
	}
	return file, nil
}
