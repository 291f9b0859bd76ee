package roster_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/roster"
	"roster/internal/store"
	"roster/internal/storetest"
)

// openWithKey opens and closes the directory as a server would, with the key
// file at path, and returns the refusal.
func openWithKey(dsn, path string) error {
	r, err := roster.Open(context.Background(), roster.Options{Database: dsn, Secrets: true, SecretKeyFile: path})
	if err != nil {
		return err
	}
	return r.Close()
}

func fingerprintOf(t *testing.T, path string) string {
	t.Helper()
	keys, err := auth.KeyFile{Path: path}.Read()
	must(t, err)
	if len(keys) != 1 {
		t.Fatalf("%s holds the keys %v, want one", path, keys)
	}
	return keys[0].String()
}

func TestKeyIsMadeForADatabaseWithoutSecretsAlone(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		dir := t.TempDir()
		first, other := filepath.Join(dir, "first.key"), filepath.Join(dir, "other.key")
		must(t, openWithKey(dsn, first))
		made := fingerprintOf(t, first)
		must(t, openWithKey(dsn, first))
		if got := fingerprintOf(t, first); got != made {
			t.Errorf("the second start made another key: %s, %s", made, got)
		}

		err := openWithKey(dsn, other) // missing
		wantText(t, err, other, "is missing", made, "restore the file from a backup", "--secret-key-file")
		if _, err := os.Stat(other); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("a refused start left a key file behind (%v)", err)
		}

		must(t, auth.KeyFile{Path: other}.Create()) // foreign
		wantText(t, openWithKey(dsn, other), other, fingerprintOf(t, other), "sealed with the key "+made, "--secret-key-file")

		must(t, os.WriteFile(other, []byte("no key"), 0o600)) // malformed
		wantText(t, openWithKey(dsn, other), other, "32 bytes in base64")
		wantText(t, openWithKey(dsn, dir), dir)

		must(t, openWithKey(dsn, first))
	})
}

func wantText(t *testing.T, err error, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("error %v, want one with %q", err, part)
		}
	}
}

// A key file that is there before the database holds a secret is taken as it is.
func TestKeyBroughtAlongIsTaken(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		path := filepath.Join(t.TempDir(), "mine.key")
		must(t, os.WriteFile(path, []byte(base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32))+"\r\n"), 0o600))
		brought := fingerprintOf(t, path)
		must(t, openWithKey(dsn, path))
		if got := fingerprintOf(t, path); got != brought {
			t.Error("the key file was replaced")
		}
		var pinned []byte
		must(t, storetest.SQL(t, dsn).QueryRow("SELECT fingerprint FROM secret_keys").Scan(&pinned))
		if hex.EncodeToString(pinned) != brought {
			t.Errorf("the database is sealed with %x, want %s", pinned, brought)
		}
		// A malformed one is refused, and not replaced, for a new database too.
		must(t, os.WriteFile(path, []byte("no key"), 0o600))
		fresh := storetest.New(t, "sqlite")
		wantText(t, openWithKey(fresh, path), path, "32 bytes in base64")
		if text, err := os.ReadFile(path); err != nil || string(text) != "no key" {
			t.Errorf("the file holds %q (%v)", text, err)
		}
	})
}

func TestKeyStandsBesideTheSQLiteFileUnlessNamed(t *testing.T) {
	t.Parallel()
	dsn := storetest.New(t, "sqlite")
	must(t, openWithKey(dsn, ""))
	info, err := os.Stat(dsn + ".key")
	must(t, err)
	if info.Mode() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
}

// Not parallel: the usual place for PostgreSQL is in the home directory.
func TestKeyStandsInTheHomeDirectoryForPostgres(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	must(t, openWithKey(storetest.New(t, "postgres"), ""))
	_ = fingerprintOf(t, filepath.Join(home, ".config", "roster", "secret.key"))
}

func TestKeyIsNotMadeByWhoeverNeedsNone(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		path := filepath.Join(t.TempDir(), "secret.key")
		r, err := roster.Open(context.Background(), roster.Options{Database: dsn, SecretKeyFile: path})
		must(t, err)
		must(t, r.Close())
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("a key file was made (%v)", err)
		}
	})
}

// Processes that start together on a new database: with one key file all go
// on; with two, only those with the key that came first.
func TestKeyOfProcessesThatStartTogether(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		dir := t.TempDir()
		errs := make([]error, 6)
		var all sync.WaitGroup
		start := make(chan struct{})
		for i := range errs {
			all.Go(func() {
				<-start
				errs[i] = openWithKey(dsn, filepath.Join(dir, []string{"a.key", "b.key"}[i%2]))
			})
		}
		close(start)
		all.Wait()
		var pinned []byte
		must(t, storetest.SQL(t, dsn).QueryRow("SELECT fingerprint FROM secret_keys").Scan(&pinned))
		for i, err := range errs {
			path := filepath.Join(dir, []string{"a.key", "b.key"}[i%2])
			keys, readErr := auth.KeyFile{Path: path}.Read()
			won := readErr == nil && bytes.Equal(keys[0].Fingerprint(), pinned)
			if won != (err == nil) {
				t.Errorf("process %d with the key file %s, which is the database's: %v: %v", i, path, won, err)
			}
			if err != nil && !strings.Contains(err.Error(), "--secret-key-file") {
				t.Errorf("process %d: %v; want advice", i, err)
			}
		}
	})
}

// A token is good after a restart, and a sealed secret only where it was sealed.
func TestSealedSecretsServeTheirAppAlone(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		ctx := context.Background()
		o := roster.Options{Database: dsn, Secrets: true, SecretKeyFile: filepath.Join(t.TempDir(), "key")}
		r, err := roster.Open(ctx, o)
		must(t, err)
		account, err := r.CreateAccount(ctx, auth.Operator(), "X", "owner@x.io")
		must(t, err)
		tokens := map[string]string{}
		for _, name := range []string{"one", "two"} {
			id, secret, err := r.CreateApp(ctx, auth.Operator(), account, roster.NewApp{Name: name, Scopes: []directory.Scope{directory.ScopeUserManagement}})
			must(t, err)
			tokens[id], err = jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"appId": id, "sub": name}).SignedString([]byte(secret))
			must(t, err)
			for table, rows := range storetest.Dump(t, dsn) {
				if text := strings.Join(rows, "\n"); strings.Contains(text, secret) || strings.Contains(text, hex.EncodeToString([]byte(secret))) {
					t.Errorf("the secret stands readable in %s", table)
				}
			}
		}
		must(t, r.Close())

		r, err = roster.Open(ctx, o)
		must(t, err)
		defer r.Close()
		for id, token := range tokens {
			caller, err := r.Authenticate(ctx, token)
			if err != nil || caller.ClientID() != id || caller.Actor.Label == "" {
				t.Errorf("after a restart: %q, %v", caller.ClientID(), err)
			}
		}
		swapped := "(SELECT o.sealed FROM app_secrets_as_made o WHERE o.app_id <> app_secrets.app_id)"
		storetest.Exec(t, dsn, "CREATE TABLE app_secrets_as_made AS SELECT app_id, sealed FROM app_secrets")
		storetest.Exec(t, dsn, "UPDATE app_secrets SET sealed = "+swapped)
		for _, token := range tokens {
			if caller, err := r.Authenticate(ctx, token); err == nil || errors.Is(err, auth.ErrCredentials) {
				t.Errorf("with the other app's sealed secret: %q, %v; want an error of our own", caller.ClientID(), err)
			}
		}
	})
}

// A server that has not met the second key reads what that key seals, and only
// then the file, from which another rotation has taken it meanwhile. What was
// read is sealed anew by then, so the server reads again and refuses nobody.
func TestKeyIsRotatedOutWhileItIsLookedFor(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		b := newRotateBench(t, dsn)
		_, err := b.roster.PlatformKey(context.Background(), auth.Operator())
		must(t, err)
		for name, use := range map[string]func(*roster.Roster){
			"apps": func(r *roster.Roster) { checkSecrets(t, r, b.secrets) },
			"platform key": func(r *roster.Roster) {
				if _, err := r.PlatformKey(context.Background(), auth.Operator()); err != nil {
					t.Errorf("platform key: %v", err)
				}
			},
		} {
			var behind atomic.Bool
			late, err := roster.Open(context.Background(), roster.Options{
				Database: dsn, Secrets: true, SecretKeyFile: b.key,
				Store: store.Options{Trace: func(step string) {
					if step == "key file: read" && behind.CompareAndSwap(true, false) {
						b.rotate(b.roster)
					}
				}},
			})
			must(t, err)
			t.Cleanup(func() { late.Close() })
			b.rotate(b.roster)
			behind.Store(true)
			use(late)
			if behind.Load() {
				t.Errorf("%s: the file was not read", name)
			}
		}
	})
}
