package roster_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/roster"
	"roster/internal/storetest"
)

// createApps makes n apps and returns their client secrets by client id.
func createApps(t testing.TB, r *roster.Roster, account string, n int) map[string]string {
	t.Helper()
	secrets := map[string]string{}
	for range n {
		id, secret, err := r.CreateApp(context.Background(), auth.Operator(), account,
			roster.NewApp{Name: "A", Scopes: []directory.Scope{directory.ScopeUserManagement}})
		if err != nil {
			t.Fatal(err)
		}
		secrets[id] = secret
	}
	return secrets
}

// callAs authenticates a token of the app.
func callAs(r *roster.Roster, id, secret string) error {
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"appId": id}).SignedString([]byte(secret))
	if err != nil {
		return err
	}
	_, err = r.Authenticate(context.Background(), token)
	return err
}

// checkSecrets fails the test unless all apps can call.
func checkSecrets(t testing.TB, r *roster.Roster, secrets map[string]string) {
	t.Helper()
	for id, secret := range secrets {
		if err := callAs(r, id, secret); err != nil {
			t.Errorf("app %s: %v", id, err)
		}
	}
}

// rotateBench is a directory with apps, and its key file.
type rotateBench struct {
	*testing.T
	dsn, key string
	account  string
	secrets  map[string]string
	roster   *roster.Roster
}

func newRotateBench(t *testing.T, dsn string) *rotateBench {
	t.Helper()
	b := &rotateBench{T: t, dsn: dsn, key: filepath.Join(t.TempDir(), "secret.key")}
	b.roster = b.open(b.key)
	var err error
	b.account, err = b.roster.CreateAccount(context.Background(), auth.Operator(), "X", "owner@example.com")
	must(t, err)
	b.secrets = createApps(t, b.roster, b.account, 3)
	return b
}

// open opens the directory once more, as another process with that key file.
func (b *rotateBench) open(key string) *roster.Roster {
	b.Helper()
	r, err := roster.Open(context.Background(), roster.Options{Database: b.dsn, Secrets: true, SecretKeyFile: key})
	must(b.T, err)
	b.Cleanup(func() { r.Close() })
	return r
}

func (b *rotateBench) rotate(r *roster.Roster) roster.Rotation {
	b.Helper()
	out, err := r.RotateSecretKey(context.Background(), auth.Operator())
	must(b.T, err)
	return out
}

// states lists the keys that the command shows: version, state, what it seals
// and whether it is in the file.
func (b *rotateBench) states(r *roster.Roster) string {
	b.Helper()
	keys, err := r.SecretKeys(context.Background(), auth.Operator())
	must(b.T, err)
	var lines []string
	for _, k := range keys {
		lines = append(lines, fmt.Sprintf("%d %s %d %v", k.Version, k.State, k.Seals, k.InFile))
	}
	return strings.Join(lines, ", ")
}

func (b *rotateBench) wantStates(r *roster.Roster, want string) {
	b.Helper()
	if got := b.states(r); got != want {
		b.Errorf("keys: %s\nwant: %s", got, want)
	}
}

// check fails the test unless all secrets can be read by who was there before,
// and by who comes now, and the audit log is whole.
func (b *rotateBench) check() {
	b.Helper()
	checkSecrets(b, b.roster, b.secrets)
	late := b.open(b.key)
	checkSecrets(b, late, b.secrets)
	_, err := late.VerifyAudit(context.Background(), auth.Operator())
	must(b.T, err)
	if info, err := os.Stat(b.key); err != nil || info.Mode() != 0o600 {
		b.Errorf("the key file has mode %v (%v)", info.Mode(), err)
	}
}

func TestRotationSealsEverythingAnew(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		b := newRotateBench(t, dsn)
		jwk, err := b.roster.PlatformKey(context.Background(), auth.Operator())
		must(t, err)
		b.wantStates(b.roster, "1 current 4 true")
		before, old := storetest.Dump(t, dsn), fingerprintOf(t, b.key)

		out := b.rotate(b.open(b.key))
		if out.Version != 2 || out.Resealed != 4 || out.Resumed || !slices.Equal(out.Dropped, []string{old}) || out.Fingerprint != fingerprintOf(t, b.key) {
			t.Errorf("%+v", out)
		}
		b.wantStates(b.roster, "2 current 4 true")
		b.check()
		after := storetest.Dump(t, dsn)
		for _, table := range []string{"app_secrets", "platform_keys"} {
			for _, row := range before[table] {
				if slices.Contains(after[table], row) {
					t.Errorf("a row of %s is what it was", table)
				}
			}
		}
		records := 0
		for _, row := range after["audit_records"] {
			if strings.Contains(row, "|app.secrets.resealed|") {
				records++
			}
		}
		if records != len(b.secrets) {
			t.Errorf("%d audit records of %d apps", records, len(b.secrets))
		}
		again, err := b.open(b.key).PlatformKey(context.Background(), auth.Operator())
		if err != nil || string(again) != string(jwk) {
			t.Errorf("the platform's key is another (%v)", err)
		}
		b.rotate(b.roster)
		b.wantStates(b.roster, "3 current 4 true")
		b.check()
		maps.Copy(b.secrets, createApps(t, b.roster, b.account, 1))
		b.check()
	})
}

func TestOnlyTheOperatorTouchesTheSecretKey(t *testing.T) {
	t.Parallel()
	b := newRotateBench(t, storetest.New(t, "sqlite"))
	ctx := context.Background()
	app := auth.AppCaller(directory.App{ID: 1, Account: 1, Scopes: directory.Scopes()}, auth.Claims{})
	_, rotate := b.roster.RotateSecretKey(ctx, app)
	_, _, add := b.roster.AddSecretKey(ctx, app)
	_, show := b.roster.SecretKeys(ctx, app)
	_, platform := b.roster.PlatformKey(ctx, app)
	for i, err := range []error{rotate, add, show, platform} {
		if !errors.Is(err, directory.ErrDenied) {
			t.Errorf("%d: %v", i, err)
		}
	}
	b.wantStates(b.roster, "1 current 3 true")
}

// TestRotationKilledAtEachStep kills the process at each statement and each
// step of the key file. Whoever is there and whoever comes reads all secrets,
// and the next rotation brings it to an end.
func TestRotationKilledAtEachStep(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, engine string) {
		b := newRotateBench(t, storetest.New(t, engine))
		f := &faultCase{DSN: b.dsn, Key: b.key, Account: b.account, Verb: "rotate secret key"}
		for killed := true; killed; {
			f.At++
			spec, err := json.Marshal(f)
			must(t, err)
			child := exec.CommandContext(t.Context(), os.Args[0])
			child.Env = append(os.Environ(), faultChild+"="+string(spec))
			out, err := child.CombinedOutput()
			killed = err != nil && strings.Contains(err.Error(), "killed")
			if err != nil && !killed {
				t.Fatalf("child: %v: %s", err, out)
			}
			b.check()
			if killed {
				b.rotate(b.open(b.key))
			}
			if got := b.states(b.roster); strings.Contains(got, ",") || !strings.HasSuffix(got, " current 3 true") {
				t.Fatalf("killed at step %d, then rotated: %s", f.At, got)
			}
			if _, err := os.Stat(b.key + ".new"); !errors.Is(err, os.ErrNotExist) {
				t.Fatalf("killed at step %d, then rotated: a file of keys is left behind (%v)", f.At, err)
			}
		}
		if f.At < 15 {
			t.Errorf("the child was killed only %d times", f.At-1)
		}
	})
}

// What an interrupted rotation leaves behind, case by case.
func TestRotationGoesOnWhereItWasInterrupted(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		b := newRotateBench(t, dsn)
		ctx := context.Background()
		// The new key is in the file and the database has not seen it.
		fingerprint, added, err := b.roster.AddSecretKey(ctx, auth.Operator())
		if err != nil || !added {
			t.Errorf("added %v (%v)", added, err)
		}
		if again, added, err := b.roster.AddSecretKey(ctx, auth.Operator()); again != fingerprint || added || err != nil {
			t.Errorf("a second time: %s, added %v (%v)", again, added, err)
		}
		b.wantStates(b.roster, "1 current 3 true, 0 waiting 0 true")
		b.check()
		if out := b.rotate(b.open(b.key)); out.Fingerprint != fingerprint || out.Resumed {
			t.Errorf("%+v; want the key %s", out, fingerprint)
		}

		// The new key is lost again before the database has seen it: another is made.
		text, err := os.ReadFile(b.key)
		must(t, err)
		lost, _, err := b.roster.AddSecretKey(ctx, auth.Operator())
		must(t, err)
		must(t, os.WriteFile(b.key, text, 0o600))
		if out := b.rotate(b.roster); out.Version != 3 || out.Fingerprint == lost {
			t.Errorf("%+v", out)
		}
		b.check()

		// Everything is sealed anew, and the old key is still in the file.
		current, err := os.ReadFile(b.key)
		must(t, err)
		must(t, os.WriteFile(b.key, append(text, current...), 0o600))
		b.wantStates(b.roster, "2 retired 0 true, 3 current 3 true")
		if out := b.rotate(b.roster); out.Version != 3 || !out.Resumed || out.Resealed != 0 || len(out.Dropped) != 1 {
			t.Errorf("%+v", out)
		}
		b.wantStates(b.roster, "3 current 3 true")
		b.check()
	})
}

// A rotation whose file cannot be written has not begun.
func TestRotationWithoutAWritableFileDoesNothing(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		b := newRotateBench(t, dsn)
		before := storetest.Dump(t, dsn)
		must(t, os.MkdirAll(b.key+".new/in the way", 0o700))
		if _, err := b.roster.RotateSecretKey(context.Background(), auth.Operator()); err == nil || !strings.Contains(err.Error(), b.key) {
			t.Errorf("%v", err)
		}
		if got := fmt.Sprint(storetest.Dump(t, dsn)); got != fmt.Sprint(before) {
			t.Error("the database has changed")
		}
		b.check()
		must(t, os.RemoveAll(b.key+".new"))
		b.rotate(b.roster)
		b.check()
	})
}

// Rotations at once, on one machine, are one rotation or several; either way
// nothing is lost.
func TestRotationsAtOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		b := newRotateBench(t, dsn)
		for range 5 {
			others := []*roster.Roster{b.open(b.key), b.open(b.key), b.roster}
			var fns []func()
			for _, r := range others {
				fns = append(fns, func() {
					if _, err := r.RotateSecretKey(context.Background(), auth.Operator()); err != nil {
						b.Errorf("rotate: %v", err)
					}
				})
			}
			together(fns...)
			b.check()
		}
		b.rotate(b.roster) // of several at once, the last may have left a key over
		if got := b.states(b.roster); strings.Contains(got, ",") {
			t.Errorf("keys at the end: %s", got)
		}
	})
}

// Rotation against app create, and against calls: no secret is ever sealed with
// a key that is gone, and no call is refused.
func TestRotationAgainstAppsAndCalls(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		b := newRotateBench(t, dsn)
		done := make(chan struct{})
		var all sync.WaitGroup
		made := make([]map[string]string, 2)
		for i := range made {
			made[i] = map[string]string{}
			other := b.open(b.key)
			all.Go(func() {
				for {
					select {
					case <-done:
						return
					default:
					}
					id, secret, err := other.CreateApp(context.Background(), auth.Operator(), b.account,
						roster.NewApp{Name: "A", Scopes: []directory.Scope{directory.ScopeUserManagement}})
					if err != nil {
						b.Errorf("create app: %v", err)
						return
					}
					made[i][id] = secret
					if err := callAs(b.roster, id, secret); err != nil {
						b.Errorf("call of a new app: %v", err)
					}
					checkSecrets(b, b.roster, b.secrets)
				}
			})
		}
		for range 10 {
			b.rotate(b.open(b.key))
		}
		close(done)
		all.Wait()
		for _, more := range made {
			if len(more) == 0 {
				t.Error("no app was made meanwhile")
			}
			maps.Copy(b.secrets, more)
		}
		b.check()
		b.wantStates(b.roster, fmt.Sprintf("11 current %d true", len(b.secrets)))
	})
}

// copyFile copies a key file, as an operator does.
func copyFile(t *testing.T, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	must(t, err)
	must(t, os.WriteFile(to, text, 0o600))
}

// Two machines with a key file each.
func TestRotationWithTwoKeyFiles(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		b := newRotateBench(t, dsn)
		ctx := context.Background()
		otherKey := filepath.Join(t.TempDir(), "secret.key")
		copyFile(t, b.key, otherKey)
		other := b.open(otherKey)

		// The right order: add, copy, rotate, copy.
		_, _, err := b.roster.AddSecretKey(ctx, auth.Operator())
		must(t, err)
		copyFile(t, b.key, otherKey)
		b.rotate(b.roster)
		checkSecrets(t, other, b.secrets)
		maps.Copy(b.secrets, createApps(t, other, b.account, 1))
		b.check()
		// The old key is still in the other file: a rotation there cleans up and
		// begins no other.
		if out := b.rotate(other); !out.Resumed || out.Version != 2 || len(out.Dropped) != 1 {
			t.Errorf("%+v", out)
		}

		// The wrong order: the other one says what to do, and goes on after it.
		out := b.rotate(b.roster)
		for id, secret := range b.secrets {
			err := callAs(other, id, secret)
			if !errors.Is(err, directory.ErrUnavailable) {
				t.Fatalf("%v, want ErrUnavailable", err)
			}
			wantText(t, err, otherKey, out.Fingerprint, "copy the file")
		}
		_, _, err = other.CreateApp(ctx, auth.Operator(), b.account, roster.NewApp{Name: "A", Scopes: []directory.Scope{directory.ScopeUserManagement}})
		wantText(t, err, otherKey, out.Fingerprint, "copy the file")
		_, err = other.RotateSecretKey(ctx, auth.Operator())
		wantText(t, err, otherKey, out.Fingerprint, "copy the file")
		wantText(t, openWithKey(dsn, otherKey), otherKey, out.Fingerprint, "copy the file from there")
		copyFile(t, b.key, otherKey)
		for id, secret := range b.secrets {
			for { // within a second
				err := callAs(other, id, secret)
				if err == nil {
					break
				}
				if !errors.Is(err, directory.ErrUnavailable) {
					t.Fatal(err)
				}
			}
		}
		b.check()
	})
}

// Two machines that rotate at once, each with a new key of its own: one wins,
// and the other is told what to do.
func TestRotationsAtOnceWithTwoKeyFiles(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		b := newRotateBench(t, dsn)
		keys := []string{b.key, filepath.Join(t.TempDir(), "secret.key")}
		copyFile(t, keys[0], keys[1])
		servers := []*roster.Roster{b.roster, b.open(keys[1])}
		errs := make([]error, 2)
		var fns []func()
		for i, r := range servers {
			fns = append(fns, func() { _, errs[i] = r.RotateSecretKey(context.Background(), auth.Operator()) })
		}
		together(fns...)
		won := slices.Index(errs, nil)
		if won < 0 || errs[1-won] == nil {
			t.Fatalf("errors %v, want one", errs)
		}
		wantText(t, errs[1-won], keys[1-won], "copy the file")
		checkSecrets(t, servers[won], b.secrets)
		b.key, b.roster = keys[won], servers[won]
		b.check()
	})
}

// A rotated database goes on with a file of one line as before, and a file with
// the current key and others will do.
func TestStartWithSeveralKeys(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		b := newRotateBench(t, dsn)
		extra := auth.KeyFile{Path: filepath.Join(t.TempDir(), "extra.key")}
		must(t, extra.Create())
		mine, err := os.ReadFile(b.key)
		must(t, err)
		other, err := os.ReadFile(extra.Path)
		must(t, err)
		for _, text := range []string{string(mine) + string(other), string(other) + string(mine)} {
			must(t, os.WriteFile(b.key, []byte(text), 0o600))
			b.check()
			b.wantStates(b.roster, "1 current 3 true, 0 waiting 0 true")
		}
		must(t, os.WriteFile(b.key, other, 0o600))
		wantText(t, openWithKey(dsn, b.key), b.key, "but the database is sealed with the key")
		b.wantStates(b.roster, "1 current 3 false, 0 waiting 0 true")
		must(t, os.Remove(b.key))
		b.wantStates(b.roster, "1 current 3 false")
	})
}
