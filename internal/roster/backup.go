package roster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/outfile"
	"roster/internal/store"
)

// Backup copies the database to a file while others work on it: one moment of it,
// whole. The copy is read back and its audit log verified before it gets its name,
// so that a file of that name is a good backup. With replace it may replace another
// backup that no process has open, and no other file. Of PostgreSQL the error wraps
// directory.ErrInvalid and says how. Only the operator may.
func (r *Roster) Backup(ctx context.Context, caller auth.Caller, path string, replace bool) (report store.AuditReport, err error) {
	if err := caller.RequireOperator(); err != nil {
		return report, err
	}
	if store.IsPostgres(r.options.Database) {
		return report, directory.Errorf(directory.ErrInvalid, "PostgreSQL backs itself up: run pg_dump --format=custom --file=%s DATABASE", path)
	}
	if err := r.checkBackupTarget(ctx, path, replace); err != nil { // before the work
		return report, err
	}
	path = outfile.Resolve(path)
	dir, err := os.MkdirTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return report, fmt.Errorf("make room for the backup: %w", err)
	}
	defer os.RemoveAll(dir)
	part := filepath.Join(dir, "part.db")
	if err := r.store.Backup(ctx, part); err != nil {
		return report, err
	}
	if err = check(ctx, part, func(s *store.Store) (err error) {
		report, err = s.VerifyAudit(ctx)
		return err
	}); err != nil {
		return report, fmt.Errorf("the backup is not good: %w", err)
	}
	if err := store.MarkBackup(ctx, part); err != nil {
		return report, err
	}
	if err := r.checkBackupTarget(ctx, path, replace); err != nil {
		return report, err
	}
	return report, outfile.Rename(part, path)
}

// checkBackupTarget refuses a path at which a backup would destroy something else.
func (r *Roster) checkBackupTarget(ctx context.Context, path string, replace bool) error {
	if err := outfile.Check(path, r.ownFiles()...); err != nil {
		return err
	}
	_, err := os.Stat(path)
	exists := err == nil
	if exists && !replace {
		return directory.Errorf(directory.ErrExists, "the file %s exists already", path)
	}
	path = outfile.Resolve(path)
	if err := store.Vacant(path); err != nil {
		return err
	}
	if exists {
		return store.CheckReplaceable(ctx, path)
	}
	return nil
}

// ownFiles are the paths of the files that this directory needs: its database, the
// secret key, and what stands beside them.
func (r *Roster) ownFiles() (paths []string) {
	if r.Engine() == "sqlite" {
		paths = append(outfile.Companions(r.options.Database), r.options.Database)
	}
	if key, err := r.keyFile(); err == nil { // without a home directory there is none
		paths = append(paths, key.Path, key.Path+".lock", key.Path+".new", key.Path+".checkpoint", key.Path+".checkpoint.lock")
	}
	return paths
}

// check reads all of a SQLite database that nobody has open, and then looks at it
// further.
func check(ctx context.Context, path string, further func(*store.Store) error) error {
	s, err := store.Open(ctx, path, store.Options{MustExist: true})
	if err != nil {
		return err
	}
	err = s.Integrity(ctx)
	if err == nil {
		err = further(s)
	}
	return errors.Join(err, s.Close())
}

// RestoreOf says what a backup is restored to.
type RestoreOf struct {
	// Options are of the directory that is restored. Its database is a SQLite file,
	// or a PostgreSQL database into which the backup was read already.
	Options Options
	// Backup is a file that Backup made; empty on PostgreSQL.
	Backup string
	// Erasures are lists that WriteErasures wrote.
	Erasures []string
	// Replace moves a database aside that is there already. Whom it has erased is
	// erased from the backup as well.
	Replace bool
}

// BackupRestored is what came of restoring a backup.
type BackupRestored struct {
	store.AuditReport
	// Sessions of the console that were ended, and memberships that were erased again.
	Sessions, Erased int
	// Left are members who should be erased and could not be.
	Left []NotErased
	// Aside is where the database is that was there before; empty for none.
	Aside string
}

// RestoreBackup restores a backup: it checks it, brings it up to date, erases
// again whom the lists name, ends all sessions of the console, and leaves a record
// in the audit log of each account. Of SQLite that happens to a copy, which then
// takes the database's place; until then nothing is changed. Nobody may have the
// database open. Only the operator may.
func RestoreBackup(ctx context.Context, caller auth.Caller, o RestoreOf) (out BackupRestored, err error) {
	if err := caller.RequireOperator(); err != nil {
		return out, err
	}
	list := erasureList{}
	for _, path := range o.Erasures {
		if err := list.read(path); err != nil {
			return out, err
		}
	}
	o.Options.Secrets, o.Options.Migration, o.Options.MustExist = true, MigrateAll, true
	if store.IsPostgres(o.Options.Database) {
		if o.Backup != "" {
			return out, directory.Errorf(directory.ErrInvalid, "PostgreSQL restores a backup itself: run pg_restore --dbname=DATABASE %s, and then this command without the file", o.Backup)
		}
		return finishRestore(ctx, caller, o.Options, list)
	}
	if o.Backup == "" {
		return out, directory.Errorf(directory.ErrInvalid, "the file of the backup is missing")
	}
	return o.restoreFile(ctx, caller, list)
}

func (o RestoreOf) restoreFile(ctx context.Context, caller auth.Caller, list erasureList) (out BackupRestored, err error) {
	target := o.Options.Database
	if err := outfile.Check(target, append([]string{o.Backup, o.Options.SecretKeyFile}, o.Erasures...)...); err != nil {
		return out, err
	}
	_, err = os.Stat(target)
	exists := err == nil
	target = outfile.Resolve(target)
	if exists && !o.Replace {
		return out, directory.Errorf(directory.ErrExists, "the database %s exists already", target)
	}
	if exists {
		if err := store.Alone(ctx, target); err != nil { // before the work
			return out, err
		}
	} else if err := store.Vacant(target); err != nil {
		return out, err
	}
	unlock, err := store.LockServer(ctx, target) // until all is done none can start
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	dir, err := os.MkdirTemp(filepath.Dir(target), "."+filepath.Base(target)+".*")
	if err != nil {
		return out, fmt.Errorf("make room for the database: %w", err)
	}
	defer os.RemoveAll(dir)
	part := filepath.Join(dir, "part.db")
	if err := store.CopyFile(o.Backup, part); err != nil {
		return out, fmt.Errorf("copy the backup: %w", err)
	}
	// Of its audit log nothing can be said before it is brought up to date.
	if err := check(ctx, part, func(*store.Store) error { return nil }); err != nil {
		return out, fmt.Errorf("the backup %s is not good: %w", o.Backup, err)
	}
	if exists {
		if err := list.readFrom(ctx, target); err != nil {
			return out, fmt.Errorf("read whom the database that is to be replaced has erased (move it away yourself to do without): %w", err)
		}
	}
	options := o.Options
	options.Database = part
	if options.SecretKeyFile == "" {
		options.SecretKeyFile = target + ".key"
	}
	if out, err = finishRestore(ctx, caller, options, list); err != nil {
		return out, err
	}
	if !exists {
		return out, outfile.Rename(part, target)
	}
	out.Aside = target + ".before-restore-" + time.Now().UTC().Format("20060102T150405Z")
	return out, store.Replace(ctx, part, target, out.Aside)
}

// readFrom adds what the database of a SQLite file has erased.
func (l erasureList) readFrom(ctx context.Context, path string) error {
	r, err := Open(ctx, Options{Database: path, MustExist: true, Migration: MigrateAll})
	if err != nil {
		return err
	}
	return errors.Join(r.store.EachErasure(ctx, l.add), r.Close())
}

// finishRestore makes a database of before one of now.
func finishRestore(ctx context.Context, caller auth.Caller, o Options, list erasureList) (out BackupRestored, err error) {
	r, err := Open(ctx, o)
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	if _, err := r.store.VerifyAudit(ctx); err != nil {
		return out, fmt.Errorf("the backup is not good: %w", err)
	}
	if out.Erased, out.Left, err = r.eraseListed(ctx, caller, list); err != nil {
		return out, err
	}
	if out.Sessions, err = r.store.EndSignIns(ctx); err != nil {
		return out, err
	}
	accounts, err := r.store.Accounts(ctx)
	if err != nil {
		return out, err
	}
	for _, a := range accounts {
		err := r.store.Write(ctx, store.Change{Account: a.ID, Actor: caller.Actor}, func(tx *store.Tx) error {
			tx.Record(directory.AuditRun{Kind: directory.AuditBackupRestored, Object: int64(a.ID)})
			return nil
		})
		if err != nil {
			return out, err
		}
	}
	out.AuditReport, err = r.store.VerifyAudit(ctx)
	return out, err
}
