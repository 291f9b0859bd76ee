package store

import (
	"context"
	"database/sql"
	"fmt"

	"roster/internal/directory"
)

const (
	insertApp    = `INSERT INTO apps (id, client_id, account_id, name, origin, algorithm, state, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`
	insertScopes = `INSERT INTO app_scopes (app_id, scope) SELECT $1, j.atom FROM json_each($2) j`
	insertSecret = `INSERT INTO app_secrets (app_id, id, key_version, sealed, created_at) VALUES ($1, $2, $3, $4, $5)`
	// One statement for the app, its scopes and its live secrets: this is asked
	// by every call of the public API.
	selectApp = `SELECT a.id, a.account_id, a.name, a.origin, a.state, COALESCE(s.scope, '') AS scope, 0 AS secret_id, 0 AS key_version, NULL AS sealed
FROM apps a LEFT JOIN app_scopes s ON s.app_id = a.id WHERE a.client_id = $1
UNION ALL
SELECT a.id, a.account_id, a.name, a.origin, a.state, '', k.id, k.key_version, k.sealed
FROM apps a JOIN app_secrets k ON k.app_id = a.id WHERE a.client_id = $1 AND k.retired_at IS NULL
ORDER BY 7`
)

// AppIDs is how many ids CreateApp needs.
const AppIDs = 2

// NewApp is a client app to be made.
type NewApp struct {
	ClientID  string
	Name      string
	Origin    directory.Origin
	Algorithm string
	Scopes    []directory.Scope
	// Seal encrypts the client secret, bound to the app's key.
	Seal func(directory.AppID) directory.SealedSecret
}

// CreateApp makes a client app of the account. A taken client id fails with an
// error that wraps directory.ErrExists.
func (tx *Tx) CreateApp(ctx context.Context, app NewApp) error {
	id := directory.AppID(tx.ID())
	now := tx.batch.At.UnixMicro()
	if err := tx.exec(ctx, insertApp, id, app.ClientID, tx.account, app.Name, string(app.Origin),
		app.Algorithm, string(directory.AppEnabled), now); err != nil {
		return wrapf(err, "create app with client id %q", app.ClientID)
	}
	scopes := make([]string, len(app.Scopes))
	for i, s := range app.Scopes {
		scopes[i] = string(s)
	}
	if err := tx.execRows(ctx, len(scopes), insertScopes, id, jsonTexts(scopes)); err != nil {
		return wrapf(err, "write the app's scopes")
	}
	sealed := app.Seal(id)
	if err := tx.exec(ctx, insertSecret, id, tx.ID(), sealed.KeyVersion, sealed.Sealed, now); err != nil {
		return wrapf(err, "write the app's secret")
	}
	tx.Record(directory.AuditRun{Kind: directory.AuditAppCreated, Object: int64(id)})
	tx.Record(directory.AuditRun{Kind: directory.AuditAppScopes, Object: int64(id)})
	return nil
}

// App finds an app by its client id, whatever its state, with its live
// secrets, oldest first. The error wraps directory.ErrNotFound when there is none.
func (r *reader) App(ctx context.Context, clientID string) (directory.App, []directory.SealedSecret, error) {
	app := directory.App{ClientID: clientID}
	var secrets []directory.SealedSecret
	err := r.each(ctx, func(rows *sql.Rows) error {
		var scope directory.Scope
		var secret int64
		var sealed directory.SealedSecret
		if err := rows.Scan(&app.ID, &app.Account, &app.Name, &app.Origin, &app.State,
			&scope, &secret, &sealed.KeyVersion, &sealed.Sealed); err != nil {
			return err
		}
		if secret != 0 {
			secrets = append(secrets, sealed)
		} else if scope != "" {
			app.Scopes = append(app.Scopes, scope)
		}
		return nil
	}, selectApp, clientID)
	if err == nil && app.ID == 0 {
		err = fmt.Errorf("app %q: %w", clientID, directory.ErrNotFound)
	}
	return app, secrets, err
}

const (
	insertKey = `INSERT INTO secret_keys (version, fingerprint, created_at) VALUES ($1, $2, $3) ON CONFLICT (version) DO NOTHING`
	selectKey = `SELECT version, fingerprint FROM secret_keys ORDER BY version DESC LIMIT 1`
)

// SecretKey returns the version and fingerprint of the key that seals the
// secrets of this database, or version 0 when it holds none.
func (r *reader) SecretKey(ctx context.Context) (version int, fingerprint []byte, err error) {
	err = r.each(ctx, func(rows *sql.Rows) error { return rows.Scan(&version, &fingerprint) }, selectKey)
	return version, fingerprint, wrapf(err, "read the fingerprint of the secret key")
}

// PinSecretKey writes down the fingerprint of the key with this version,
// unless another process was first; ask SecretKey whose it is.
func (s *Store) PinSecretKey(ctx context.Context, version int, fingerprint []byte) error {
	err := s.inTx(ctx, func(r *reader, _ *session) error {
		_, err := r.q.ExecContext(ctx, r.traced(insertKey), version, fingerprint, s.Now().UnixMicro())
		return r.engine.mapError(err)
	})
	return wrapf(err, "write the fingerprint of the secret key")
}
