package store

import (
	"context"
	"database/sql"
	"time"

	"roster/internal/directory"
	"roster/internal/excerpt"
)

const (
	lockApp       = `SELECT id FROM apps WHERE client_id = $1`
	selectAppKeys = `SELECT id, number, key_version, sealed, created_at, retired_at, last_used_at FROM app_secrets WHERE app_id = $1 ORDER BY number`
	updateApp     = `UPDATE apps SET name = $2, must_expire = $3, enforce_jti = $4, enforce_jwe = $5 WHERE id = $1`
	updateState   = `UPDATE apps SET state = $2 WHERE id = $1`
	deleteScopes  = `DELETE FROM app_scopes WHERE app_id = $1 AND scope IN (SELECT j.atom FROM json_each($2) j)`
	eraseAppKey   = `UPDATE app_secrets SET retired_at = $3, sealed = $4 WHERE app_id = $1 AND id = $2 AND retired_at IS NULL`
)

// LockApp finds an app by its client id, with all its keys in the order of
// their numbers, and keeps other transactions from changing it until this one
// ends. Calls of the app do not wait. The error wraps directory.ErrNotFound when
// there is none.
func (tx *Tx) LockApp(ctx context.Context, clientID string) (directory.App, []directory.AppKey, error) {
	var id directory.AppID
	if err := tx.row(ctx, lockApp+tx.engine.lockRows, clientID).Scan(&id); err != nil {
		return directory.App{}, nil, wrapf(err, "app %q", excerpt.Of(clientID))
	}
	// Statements of their own: they see what others committed while the first
	// one waited.
	app, _, err := tx.App(ctx, clientID)
	if err != nil {
		return app, nil, err
	}
	keys, err := tx.AppKeys(ctx, id)
	return app, keys, err
}

// AppKeys returns all keys of an app, retired ones too, in the order of their
// numbers.
func (r *reader) AppKeys(ctx context.Context, app directory.AppID) ([]directory.AppKey, error) {
	var keys []directory.AppKey
	err := r.each(ctx, func(rows *sql.Rows) error {
		var key directory.AppKey
		var created int64
		var retired, used sql.NullInt64
		if err := rows.Scan(&key.ID, &key.Number, &key.Sealed.KeyVersion, &key.Sealed.Text, &created, &retired, &used); err != nil {
			return err
		}
		key.Created, key.Retired, key.LastUsed = fromMicros(created), maybeTime(retired), maybeTime(used)
		keys = append(keys, key)
		return nil
	}, selectAppKeys, app)
	return keys, wrapf(err, "read the app's secrets")
}

// maybeTime is the zero time for NULL.
func maybeTime(us sql.NullInt64) time.Time {
	if !us.Valid {
		return time.Time{}
	}
	return fromMicros(us.Int64)
}

// UpdateApp writes the name and the policy of an app that is locked. What it and
// the methods below write is sent when the transaction ends.
func (tx *Tx) UpdateApp(app directory.App) {
	tx.later(1, updateApp, app.ID, app.Name, flag(app.Policy.MustExpire), flag(app.Policy.EnforceJTI), flag(app.Policy.EnforceJWE))
	tx.Record(directory.AuditRun{Kind: directory.AuditAppModified, Object: int64(app.ID)})
}

// EnableApp lets an app that is locked call again.
func (tx *Tx) EnableApp(app directory.AppID) {
	tx.setState(app, directory.AppEnabled, directory.AuditAppEnabled)
}

// DisableApp keeps an app that is locked from calling.
func (tx *Tx) DisableApp(app directory.AppID) {
	tx.setState(app, directory.AppDisabled, directory.AuditAppDisabled)
}

// DeleteApp ends an app that is locked for good: its live keys and its scopes are
// erased. The row stays, since audit records name it, and with it the client id.
func (tx *Tx) DeleteApp(app directory.App, live []directory.AppKey) {
	tx.setState(app.ID, directory.AppDeleted, directory.AuditAppDeleted)
	for _, key := range live {
		tx.eraseKey(app.ID, key.ID)
	}
	if len(app.Scopes) > 0 {
		tx.later(len(app.Scopes), deleteScopes, app.ID, jsonScopes(app.Scopes))
	}
}

func (tx *Tx) setState(app directory.AppID, state directory.AppState, kind directory.AuditKind) {
	tx.later(1, updateState, app, string(state))
	tx.Record(directory.AuditRun{Kind: kind, Object: int64(app)})
}

// AddScopes gives scopes that it lacks to an app that is locked.
func (tx *Tx) AddScopes(app directory.AppID, scopes []directory.Scope) {
	tx.later(len(scopes), insertScopes, app, jsonScopes(scopes))
	tx.Record(directory.AuditRun{Kind: directory.AuditAppScopes, Object: int64(app)})
}

// RemoveScopes takes scopes that it has from an app that is locked.
func (tx *Tx) RemoveScopes(app directory.AppID, scopes []directory.Scope) {
	tx.later(len(scopes), deleteScopes, app, jsonScopes(scopes))
	tx.Record(directory.AuditRun{Kind: directory.AuditAppScopes, Object: int64(app)})
}

// AddKey gives a key with this number, which seal encrypts, to an app that is
// locked. It needs one id.
func (tx *Tx) AddKey(ctx context.Context, app directory.AppID, number int, seal func(HeldKey, directory.AppID) (directory.Sealed, error)) error {
	tx.Record(directory.AuditRun{Kind: directory.AuditSecretAdded, Object: int64(app)})
	return tx.insertAppKey(ctx, app, number, seal)
}

// RetireKey erases a live key of an app that is locked; its row stays.
func (tx *Tx) RetireKey(app directory.AppID, key directory.AppKeyID) {
	tx.eraseKey(app, key)
	tx.Record(directory.AuditRun{Kind: directory.AuditSecretRetired, Object: int64(app)})
}

func (tx *Tx) eraseKey(app directory.AppID, key directory.AppKeyID) {
	tx.later(1, eraseAppKey, app, key, tx.batch.At.UnixMicro(), []byte{})
}

func jsonScopes(scopes []directory.Scope) string {
	texts := make([]string, len(scopes))
	for i, s := range scopes {
		texts[i] = string(s)
	}
	return jsonTexts(texts)
}
