package store

import (
	"context"
	"database/sql"
	"errors"

	"roster/internal/directory"
)

const (
	insertKey  = `INSERT INTO secret_keys (version, fingerprint, created_at) VALUES ($1, $2, $3) ON CONFLICT (version) DO NOTHING`
	retireKey  = `UPDATE secret_keys SET retired_at = $2 WHERE version = $1 AND retired_at IS NULL`
	currentKey = `SELECT version, fingerprint FROM secret_keys WHERE retired_at IS NULL`
	selectKey  = `SELECT fingerprint FROM secret_keys WHERE version = $1`
	selectKeys = `SELECT k.version, k.fingerprint, k.created_at, k.retired_at,
  (SELECT COUNT(*) FROM app_secrets s WHERE s.key_version = k.version AND LENGTH(s.sealed) > 0) +
  (SELECT COUNT(*) FROM platform_keys p WHERE p.key_version = k.version)
FROM secret_keys k ORDER BY k.version`

	insertPlatformKey = `INSERT INTO platform_keys (id, kid, key_version, sealed, created_at) VALUES ($1, $2, $3, $4, $5)`
	selectPlatformKey = `SELECT kid, key_version, sealed, created_at FROM platform_keys ORDER BY id LIMIT 1`
	oldPlatformKeys   = `SELECT kid, key_version, sealed FROM platform_keys WHERE key_version < $1 ORDER BY id`
	resealPlatformKey = `UPDATE platform_keys SET key_version = $3, sealed = $4 WHERE kid = $1 AND key_version = $2`

	// What is sealed under an older key than the current one. A retired secret
	// that is empty needs no key.
	oldAccounts = `SELECT DISTINCT a.account_id FROM app_secrets s JOIN apps a ON a.id = s.app_id
WHERE s.key_version < (SELECT MIN(version) FROM secret_keys WHERE retired_at IS NULL) AND LENGTH(s.sealed) > 0
ORDER BY a.account_id LIMIT $1`
	oldAppSecrets = `SELECT s.app_id, s.id, s.key_version, s.sealed FROM app_secrets s
WHERE s.key_version < $2 AND LENGTH(s.sealed) > 0 AND s.app_id IN (SELECT a.id FROM apps a WHERE a.account_id = $1)
ORDER BY s.app_id, s.id LIMIT $3`
	resealAppSecret = `UPDATE app_secrets SET key_version = $4, sealed = $5 WHERE app_id = $1 AND id = $2 AND key_version = $3`
)

// ErrNotCurrent says that another rotation of the secret key was first.
var ErrNotCurrent = errors.New("the secret key is not the current one any more")

// ErrNothingToReseal says that the current key seals all secrets of the account.
var ErrNothingToReseal = errors.New("no secret is sealed with an old key")

// LookUp is KeyFingerprint, of the store or of a transaction: who is in one must
// not wait for another connection.
type LookUp = func(ctx context.Context, version int) ([]byte, error)

// HeldKey is the secret key that seals, held by a transaction: it cannot be
// rotated out before that ends. Only the store makes one, so nothing can be
// sealed without holding its key.
type HeldKey struct {
	version     int
	fingerprint []byte
}

// Version is the key's number in the database.
func (h HeldKey) Version() int { return h.version }

// Fingerprint tells which key it is.
func (h HeldKey) Fingerprint() []byte { return h.fingerprint }

// CurrentKey returns the version and fingerprint of the secret key that seals,
// or version 0 when the database has none yet.
func (r *reader) CurrentKey(ctx context.Context) (version int, fingerprint []byte, err error) {
	err = r.row(ctx, currentKey).Scan(&version, &fingerprint)
	if errors.Is(err, directory.ErrNotFound) {
		return 0, nil, nil
	}
	return version, fingerprint, wrapf(err, "read the fingerprint of the secret key")
}

// KeyFingerprint returns the fingerprint of the secret key with that version,
// which never changes.
func (r *reader) KeyFingerprint(ctx context.Context, version int) (fingerprint []byte, err error) {
	err = r.row(ctx, selectKey, version).Scan(&fingerprint)
	return fingerprint, wrapf(err, "read the fingerprint of secret key %d", version)
}

// SecretKeys lists all secret keys that the database was ever sealed with,
// oldest first.
func (r *reader) SecretKeys(ctx context.Context) ([]directory.SecretKey, error) {
	var keys []directory.SecretKey
	err := r.each(ctx, func(rows *sql.Rows) error {
		var key directory.SecretKey
		var created int64
		var retired sql.NullInt64
		if err := rows.Scan(&key.Version, &key.Fingerprint, &created, &retired, &key.Seals); err != nil {
			return err
		}
		key.Created = fromMicros(created)
		if retired.Valid {
			key.Retired = fromMicros(retired.Int64)
		}
		keys = append(keys, key)
		return nil
	}, selectKeys)
	return keys, wrapf(err, "list the secret keys")
}

// PinSecretKey writes down the fingerprint of the database's first key, unless
// another process was first; ask CurrentKey whose it is.
func (s *Store) PinSecretKey(ctx context.Context, fingerprint []byte) error {
	err := s.inTx(ctx, func(r *reader, _ session) error {
		_, err := r.q.ExecContext(ctx, r.traced(insertKey), 1, fingerprint, s.Now().UnixMicro())
		return r.engine.mapError(err)
	})
	return wrapf(err, "write the fingerprint of the secret key")
}

// RotateKey retires the key with that version and makes the one with the
// fingerprint the current one. It waits for transactions that hold the old one.
// The error wraps ErrNotCurrent when that is not the current one any more.
func (s *Store) RotateKey(ctx context.Context, version int, fingerprint []byte) error {
	now := s.Now().UnixMicro()
	err := s.inTx(ctx, func(r *reader, sess session) error {
		retire := statement{query: retireKey}
		res, err := r.q.ExecContext(ctx, r.traced(retireKey), version, now)
		if err != nil {
			return r.engine.mapError(retire.in(err))
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return errors.Join(ErrNotCurrent, err)
		}
		return r.runTraced(ctx, sess, statement{query: insertKey, args: []any{version + 1, fingerprint, now}, rows: 1})
	})
	return wrapf(err, "rotate the secret key")
}

// holdAttempts is how often the current key is asked for when it was rotated
// out while the transaction waited for it.
const holdAttempts = 10

// holdKey holds the current key until the transaction ends. lock is the
// engine's word for it.
func (r *reader) holdKey(ctx context.Context, lock string) (held HeldKey, err error) {
	for range holdAttempts {
		// A query that waited for a rotation finds no row: the old key is not
		// current any more, and the new one was not there when it began.
		err = r.row(ctx, currentKey+lock).Scan(&held.version, &held.fingerprint)
		if !errors.Is(err, directory.ErrNotFound) {
			break
		}
	}
	return held, wrapf(err, "hold the secret key")
}

// runTraced runs statements whose effect is not looked at in between.
func (r *reader) runTraced(ctx context.Context, sess session, statements ...statement) error {
	for _, s := range statements {
		r.traced(s.query)
	}
	return r.engine.mapError(sess.run(ctx, statements))
}

// PlatformKey returns the platform's key, whose private half is sealed. The
// error wraps directory.ErrNotFound when there is none yet.
func (r *reader) PlatformKey(ctx context.Context) (directory.PlatformKey, error) {
	var key directory.PlatformKey
	var created int64
	err := r.row(ctx, selectPlatformKey).Scan(&key.ID, &key.Sealed.KeyVersion, &key.Sealed.Text, &created)
	key.Created = fromMicros(created)
	return key, wrapf(err, "read the platform's key")
}

// CreatePlatformKey writes down the platform's key, unless another process was
// first; ask PlatformKey which it is.
func (s *Store) CreatePlatformKey(ctx context.Context, kid string, seal func(HeldKey) (directory.Sealed, error)) error {
	id, err := s.ids.take(ctx, 1)
	if err != nil {
		return err
	}
	return s.inTx(ctx, func(r *reader, _ session) error {
		held, err := r.holdKey(ctx, r.engine.lockRows) // taking turns, so that there is one
		if err != nil {
			return err
		}
		if _, err := r.PlatformKey(ctx); !errors.Is(err, directory.ErrNotFound) {
			return err
		}
		sealed, err := seal(held)
		if err != nil {
			return err
		}
		_, err = r.q.ExecContext(ctx, r.traced(insertPlatformKey), id, kid, sealed.KeyVersion, sealed.Text, s.Now().UnixMicro())
		return wrapf(r.engine.mapError(err), "write the platform's key")
	})
}

// ResealPlatformKeys seals the platform's keys anew where an older key than the
// current one seals them, and returns how many those were.
func (s *Store) ResealPlatformKeys(ctx context.Context, reseal func(LookUp, HeldKey, directory.PlatformKey) (directory.Sealed, error)) (n int, err error) {
	err = s.inTx(ctx, func(r *reader, sess session) error {
		held, err := r.holdKey(ctx, r.engine.holdRows)
		if err != nil {
			return err
		}
		var old []directory.PlatformKey
		err = r.each(ctx, func(rows *sql.Rows) error {
			var key directory.PlatformKey
			err := rows.Scan(&key.ID, &key.Sealed.KeyVersion, &key.Sealed.Text)
			old = append(old, key)
			return err
		}, oldPlatformKeys+r.engine.lockRows, held.version)
		if err != nil {
			return err
		}
		var updates []statement
		for _, key := range old {
			sealed, err := reseal(r.KeyFingerprint, held, key)
			if err != nil {
				return err
			}
			updates = append(updates, statement{
				query: resealPlatformKey, args: []any{key.ID, key.Sealed.KeyVersion, sealed.KeyVersion, sealed.Text}, rows: 1,
			})
		}
		n = len(updates)
		return r.runTraced(ctx, sess, updates...)
	})
	return n, wrapf(err, "seal the platform's key anew")
}

// AccountsToReseal returns up to limit accounts with secrets that are sealed
// under an older key than the current one.
func (r *reader) AccountsToReseal(ctx context.Context, limit int) ([]directory.AccountID, error) {
	var accounts []directory.AccountID
	err := r.each(ctx, func(rows *sql.Rows) error {
		var id directory.AccountID
		err := rows.Scan(&id)
		accounts = append(accounts, id)
		return err
	}, oldAccounts, limit)
	return accounts, wrapf(err, "look for secrets under an old key")
}

// appSecret is a sealed key of an app.
type appSecret struct {
	app    directory.AppID
	id     directory.AppKeyID
	sealed directory.Sealed
}

// ResealAppKeys seals up to limit keys of the account's apps anew, of those
// that an older key than the current one seals. It returns how many those were;
// the error is ErrNothingToReseal when there was none.
func (tx *Tx) ResealAppKeys(ctx context.Context, limit int, reseal func(HeldKey, directory.AppID, directory.Sealed) (directory.Sealed, error)) (int, error) {
	held, err := tx.holdKey(ctx, tx.engine.holdRows)
	if err != nil {
		return 0, err
	}
	var old []appSecret
	err = tx.each(ctx, func(rows *sql.Rows) error {
		var s appSecret
		err := rows.Scan(&s.app, &s.id, &s.sealed.KeyVersion, &s.sealed.Text)
		old = append(old, s)
		return err
	}, oldAppSecrets+tx.engine.lockRows, tx.account, held.version, limit)
	if err != nil {
		return 0, wrapf(err, "look for secrets under an old key")
	}
	if len(old) == 0 {
		return 0, ErrNothingToReseal
	}
	var last directory.AppID
	for _, s := range old {
		sealed, err := reseal(held, s.app, s.sealed)
		if err != nil {
			return 0, err
		}
		tx.later(1, resealAppSecret, s.app, s.id, s.sealed.KeyVersion, sealed.KeyVersion, sealed.Text)
		if s.app != last {
			last = s.app
			tx.Record(directory.AuditRun{Kind: directory.AuditAppResealed, Object: int64(s.app)})
		}
	}
	return len(old), wrapf(tx.flush(ctx), "seal the apps' secrets anew")
}
