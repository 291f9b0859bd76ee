package store

import (
	"context"
	"database/sql"
	"fmt"

	"roster/internal/directory"
	"roster/internal/excerpt"
)

const (
	insertApp = `INSERT INTO apps (id, client_id, account_id, name, origin, algorithm, state, must_expire, enforce_jti, enforce_jwe, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`
	insertScopes = `INSERT INTO app_scopes (app_id, scope) SELECT $1, j.atom FROM json_each($2) j`
	insertSecret = `INSERT INTO app_secrets (app_id, id, number, key_version, sealed, created_at) VALUES ($1, $2, $3, $4, $5, $6)`
	// One statement for the app, its scopes and its live keys: this is asked by
	// every call of the public API.
	selectApp = `SELECT ` + appColumns + `, COALESCE(s.scope, ''), 0 AS key_id, 0, NULL
FROM apps a JOIN accounts t ON t.id = a.account_id LEFT JOIN app_scopes s ON s.app_id = a.id WHERE a.client_id = $1
UNION ALL
SELECT ` + appColumns + `, '', k.id, k.key_version, k.sealed
FROM apps a JOIN accounts t ON t.id = a.account_id JOIN app_secrets k ON k.app_id = a.id WHERE a.client_id = $1 AND k.retired_at IS NULL
ORDER BY key_id`
	selectApps = `SELECT ` + appColumns + `, a.client_id, COALESCE(s.scope, '')
FROM apps a JOIN accounts t ON t.id = a.account_id LEFT JOIN app_scopes s ON s.app_id = a.id
WHERE a.account_id = $1 AND (a.state <> 'deleted' OR $2 = 1) ORDER BY a.id, s.scope`
	appColumns = `a.id, a.account_id, t.public_id, a.name, a.origin, a.state, a.algorithm, a.must_expire, a.enforce_jti, a.enforce_jwe, t.rate_limits, a.created_at`
)

// AppIDs is how many ids CreateApp needs.
const AppIDs = 2

// NewApp is a client app to be made.
type NewApp struct {
	ClientID  string
	Name      string
	Origin    directory.Origin
	Algorithm directory.Algorithm
	Policy    directory.AppPolicy
	Scopes    []directory.Scope
	// Seal encrypts the app's key, bound to the app, under the key that is held.
	Seal func(HeldKey, directory.AppID) (directory.Sealed, error)
}

// CreateApp makes a client app of the account. A taken client id fails with an
// error that wraps directory.ErrExists.
func (tx *Tx) CreateApp(ctx context.Context, app NewApp) error {
	id := directory.AppID(tx.ID())
	now := tx.batch.At.UnixMicro()
	if err := tx.exec(ctx, insertApp, id, app.ClientID, tx.account, app.Name, string(app.Origin),
		string(app.Algorithm), string(directory.AppEnabled),
		flag(app.Policy.MustExpire), flag(app.Policy.EnforceJTI), flag(app.Policy.EnforceJWE), now); err != nil {
		return wrapf(err, "create app with client id %q", excerpt.Of(app.ClientID))
	}
	if err := tx.execRows(ctx, len(app.Scopes), insertScopes, id, jsonScopes(app.Scopes)); err != nil {
		return wrapf(err, "write the app's scopes")
	}
	if err := tx.insertAppKey(ctx, id, 1, app.Seal); err != nil {
		return err
	}
	tx.Record(directory.AuditRun{Kind: directory.AuditAppCreated, Object: int64(id)})
	tx.Record(directory.AuditRun{Kind: directory.AuditAppScopes, Object: int64(id)})
	return nil
}

// insertAppKey writes a key of an app, which seal encrypts. It takes one id.
// Every sealed key of an app comes in here: it holds the secret key that seals,
// so that none is committed under a key that has been rotated out.
func (tx *Tx) insertAppKey(ctx context.Context, app directory.AppID, number int, seal func(HeldKey, directory.AppID) (directory.Sealed, error)) error {
	held, err := tx.holdKey(ctx, tx.engine.holdRows)
	if err != nil {
		return err
	}
	sealed, err := seal(held, app)
	if err != nil {
		return err
	}
	err = tx.exec(ctx, insertSecret, app, tx.ID(), number, sealed.KeyVersion, sealed.Text, tx.batch.At.UnixMicro())
	return wrapf(err, "write the app's secret")
}

// App finds an app by its client id, whatever its state, with its live keys,
// oldest first. The error wraps directory.ErrNotFound when there is none.
func (r *reader) App(ctx context.Context, clientID string) (directory.App, []directory.AppKey, error) {
	app := directory.App{ClientID: clientID}
	var keys []directory.AppKey
	err := r.each(ctx, func(rows *sql.Rows) error {
		var scope directory.Scope
		var key directory.AppKey
		if err := scanApp(rows, &app, &scope, &key.ID, &key.Sealed.KeyVersion, &key.Sealed.Text); err != nil {
			return err
		}
		if key.ID != 0 {
			keys = append(keys, key)
		} else if scope != "" {
			app.Scopes = append(app.Scopes, scope)
		}
		return nil
	}, selectApp, clientID)
	if err == nil && app.ID == 0 {
		err = fmt.Errorf("app %q: %w", excerpt.Of(clientID), directory.ErrNotFound)
	}
	return app, keys, err
}

// Apps returns the account's apps, oldest first; deleted ones too if all are wanted.
func (r *reader) Apps(ctx context.Context, account directory.AccountID, all bool) ([]directory.App, error) {
	var apps []directory.App
	err := r.each(ctx, func(rows *sql.Rows) error {
		var app directory.App
		var scope directory.Scope
		if err := scanApp(rows, &app, &app.ClientID, &scope); err != nil {
			return err
		}
		if len(apps) == 0 || apps[len(apps)-1].ID != app.ID {
			apps = append(apps, app)
		}
		if scope != "" {
			last := &apps[len(apps)-1]
			last.Scopes = append(last.Scopes, scope)
		}
		return nil
	}, selectApps, account, flag(all))
	return apps, wrapf(err, "list the apps")
}

// scanApp reads a row that begins with appColumns into app, and what follows
// into more.
func scanApp(rows *sql.Rows, app *directory.App, more ...any) error {
	var limits sql.NullString
	var created int64
	columns := []any{
		&app.ID, &app.Account, &app.AccountPublicID, &app.Name, &app.Origin, &app.State, &app.Algorithm,
		&app.Policy.MustExpire, &app.Policy.EnforceJTI, &app.Policy.EnforceJWE, &limits, &created,
	}
	if err := rows.Scan(append(columns, more...)...); err != nil {
		return err
	}
	app.Created = fromMicros(created)
	if limits.Valid {
		parsed, err := directory.ParseRateLimits(limits.String)
		if err != nil {
			return fmt.Errorf("rate limits of the account of app %s: %w", app.ClientID, err)
		}
		app.RateLimits = &parsed
	}
	return nil
}

// flag is a truth as the database keeps it.
func flag(b bool) int {
	if b {
		return 1
	}
	return 0
}
