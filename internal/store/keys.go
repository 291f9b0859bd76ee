package store

import (
	"context"
	"database/sql"
	"errors"

	"roster/internal/directory"
)

const (
	insertKey = `INSERT INTO secret_keys (version, fingerprint, created_at) VALUES ($1, $2, $3) ON CONFLICT (version) DO NOTHING`
	selectKey = `SELECT version, fingerprint FROM secret_keys ORDER BY version DESC LIMIT 1`
	// Taking turns, so that there is one.
	lockKey           = `SELECT version FROM secret_keys WHERE version = $1`
	insertPlatformKey = `INSERT INTO platform_keys (id, kid, key_version, sealed, created_at) VALUES ($1, $2, $3, $4, $5)`
	selectPlatformKey = `SELECT kid, key_version, sealed, created_at FROM platform_keys ORDER BY id LIMIT 1`
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
func (s *Store) CreatePlatformKey(ctx context.Context, kid string, sealed directory.Sealed) error {
	id, err := s.ids.take(ctx, 1)
	if err != nil {
		return err
	}
	return s.inTx(ctx, func(r *reader, _ *session) error {
		var version int
		if err := r.row(ctx, lockKey+r.engine.lockRows, sealed.KeyVersion).Scan(&version); err != nil {
			return wrapf(err, "lock the secret key")
		}
		if _, err := r.PlatformKey(ctx); !errors.Is(err, directory.ErrNotFound) {
			return err
		}
		_, err := r.q.ExecContext(ctx, r.traced(insertPlatformKey), id, kid, sealed.KeyVersion, sealed.Text, s.Now().UnixMicro())
		return wrapf(r.engine.mapError(err), "write the platform's key")
	})
}
