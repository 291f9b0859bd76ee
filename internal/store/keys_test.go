package store_test

import (
	"context"
	"errors"
	"testing"

	"roster/internal/directory"
	"roster/internal/store"
	"roster/internal/storetest"
)

func TestCurrentKeyIsTheOneThatIsNotRetired(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		ctx := context.Background()
		s := storetest.Open(t, dsn, store.Options{})
		if version, _, err := s.CurrentKey(ctx); version != 0 || err != nil {
			t.Errorf("version %d of a new database (%v)", version, err)
		}
		must(t, s.PinSecretKey(ctx, []byte("one")))
		must(t, s.PinSecretKey(ctx, []byte("late")))
		must(t, s.RotateKey(ctx, 1, []byte("two")))
		if err := s.RotateKey(ctx, 1, []byte("late")); !errors.Is(err, store.ErrNotCurrent) {
			t.Errorf("rotated from a retired key: %v", err)
		}
		if err := s.RotateKey(ctx, 3, []byte("early")); !errors.Is(err, store.ErrNotCurrent) {
			t.Errorf("rotated from a key that there is not: %v", err)
		}
		version, fingerprint, err := s.CurrentKey(ctx)
		if version != 2 || string(fingerprint) != "two" || err != nil {
			t.Errorf("version %d, %q (%v)", version, fingerprint, err)
		}
		keys, err := s.SecretKeys(ctx)
		must(t, err)
		if len(keys) != 2 || keys[0].Retired.IsZero() || !keys[1].Retired.IsZero() || keys[1].Created.IsZero() {
			t.Errorf("%+v", keys)
		}
		if fingerprint, err := s.KeyFingerprint(ctx, 1); string(fingerprint) != "one" || err != nil {
			t.Errorf("%q (%v)", fingerprint, err)
		}
		if _, err := s.KeyFingerprint(ctx, 3); !errors.Is(err, directory.ErrNotFound) {
			t.Errorf("%v", err)
		}
	})
}

// sealApp makes an app with a key sealed by name, under the held key.
func sealApp(ctx context.Context, tx *store.Tx, name string) (under int, err error) {
	err = tx.CreateApp(ctx, store.NewApp{
		ClientID: name, Name: name, Origin: directory.OriginAdminConsole, Algorithm: directory.HS256,
		Scopes: []directory.Scope{directory.ScopeUserManagement},
		Seal: func(held store.HeldKey, _ directory.AppID) (directory.Sealed, error) {
			under = held.Version()
			return directory.Sealed{KeyVersion: under, Text: []byte("sealed")}, nil
		},
	})
	return under, err
}

// A rotation waits for who seals, and who comes after it seals with the new
// key: nothing is ever committed under a key that is not the current one.
func TestRotationAndWhoeverSealsWaitForEachOther(t *testing.T) {
	t.Parallel()
	f := newFixture(t, storetest.New(t, "postgres"))
	ctx := context.Background()
	must(t, f.store.PinSecretKey(ctx, []byte("one")))

	held, commit := make(chan struct{}), make(chan struct{})
	sealed, rotated := make(chan error, 1), make(chan error, 1)
	go func() {
		sealed <- f.tryWrite(store.AppIDs, func(ctx context.Context, tx *store.Tx) error {
			under, err := sealApp(ctx, tx, "cs-1")
			if under != 1 {
				t.Errorf("sealed under version %d", under)
			}
			close(held)
			<-commit
			return err
		})
	}()
	<-held
	go func() { rotated <- f.store.RotateKey(ctx, 1, []byte("two")) }()
	waitForWaiters(t, f.dsn, 1)
	// Whoever comes now seals with either, as the database lets them.
	later := make(chan error, 1)
	go func() {
		later <- f.tryWrite(store.AppIDs, func(ctx context.Context, tx *store.Tx) error {
			_, err := sealApp(ctx, tx, "cs-2")
			return err
		})
	}()
	close(commit)
	must(t, errors.Join(<-sealed, <-rotated, <-later))
	f.write(store.AppIDs, func(ctx context.Context, tx *store.Tx) error {
		under, err := sealApp(ctx, tx, "cs-3")
		if under != 2 {
			t.Errorf("after the rotation sealed under version %d", under)
		}
		return err
	})
}

// The same from the other side: who seals waits for a rotation that has not
// committed, and then seals with the new key.
func TestWhoeverWaitedForARotationSealsWithTheNewKey(t *testing.T) {
	t.Parallel()
	f := newFixture(t, storetest.New(t, "postgres"))
	ctx := context.Background()
	must(t, f.store.PinSecretKey(ctx, []byte("one")))
	// A rotation by hand, which can be held up.
	tx, err := storetest.SQL(t, f.dsn).BeginTx(ctx, nil)
	must(t, err)
	defer tx.Rollback()
	for _, query := range []string{
		"UPDATE secret_keys SET retired_at = 1 WHERE version = 1",
		"INSERT INTO secret_keys (version, fingerprint, created_at) VALUES (2, 'two', 1)",
	} {
		_, err := tx.ExecContext(ctx, query)
		must(t, err)
	}
	under, sealed := 0, make(chan error, 1)
	go func() {
		sealed <- f.tryWrite(store.AppIDs, func(ctx context.Context, tx *store.Tx) (err error) {
			under, err = sealApp(ctx, tx, "cs-1")
			return err
		})
	}()
	waitForWaiters(t, f.dsn, 1)
	must(t, tx.Commit())
	must(t, <-sealed)
	if under != 2 {
		t.Errorf("sealed under version %d", under)
	}
}

func TestNothingIsSealedWithoutAKey(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		f := newFixture(t, dsn)
		err := f.tryWrite(store.AppIDs, func(ctx context.Context, tx *store.Tx) error {
			_, err := sealApp(ctx, tx, "cs-1")
			return err
		})
		if !errors.Is(err, directory.ErrNotFound) {
			t.Errorf("%v", err)
		}
	})
}

// Accounts are resealed in steps of the given size, and a secret that was
// retired and emptied is left alone.
func TestResealGoesInSteps(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		ctx := context.Background()
		f := newFixture(t, dsn)
		must(t, f.store.PinSecretKey(ctx, []byte("one")))
		for _, name := range []string{"cs-1", "cs-2", "cs-3", "cs-4"} {
			f.write(store.AppIDs, func(ctx context.Context, tx *store.Tx) error {
				_, err := sealApp(ctx, tx, name)
				return err
			})
		}
		storetest.Exec(t, dsn, "UPDATE app_secrets SET sealed = $1, retired_at = 1 WHERE app_id = (SELECT id FROM apps WHERE client_id = 'cs-4')", []byte{})
		if accounts, err := f.store.AccountsToReseal(ctx, 10); len(accounts) > 0 || err != nil {
			t.Errorf("before the rotation: %v, %v", accounts, err)
		}
		must(t, f.store.RotateKey(ctx, 1, []byte("two")))
		if accounts, err := f.store.AccountsToReseal(ctx, 10); len(accounts) != 1 || accounts[0] != f.account || err != nil {
			t.Errorf("%v, %v", accounts, err)
		}
		for _, want := range []int{2, 1} {
			f.write(0, func(ctx context.Context, tx *store.Tx) error {
				n, err := tx.ResealAppKeys(ctx, 2, func(held store.HeldKey, _ directory.AppID, s directory.Sealed) (directory.Sealed, error) {
					return directory.Sealed{KeyVersion: held.Version(), Text: append(s.Text, '2')}, nil
				})
				if n != want {
					t.Errorf("%d sealed anew, want %d", n, want)
				}
				return err
			})
		}
		err := f.tryWrite(0, func(ctx context.Context, tx *store.Tx) error {
			_, err := tx.ResealAppKeys(ctx, 2, nil)
			return err
		})
		if !errors.Is(err, store.ErrNothingToReseal) {
			t.Errorf("%v", err)
		}
		if accounts, err := f.store.AccountsToReseal(ctx, 10); len(accounts) > 0 || err != nil {
			t.Errorf("at the end: %v, %v", accounts, err)
		}
		keys, err := f.store.SecretKeys(ctx)
		must(t, err)
		if keys[0].Seals != 0 || keys[1].Seals != 3 {
			t.Errorf("%+v", keys)
		}
		_, err = f.store.VerifyAudit(ctx)
		must(t, err)
	})
}
