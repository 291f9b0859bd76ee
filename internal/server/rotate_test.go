package server_test

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"index/suffixarray"
	"net/http"
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
	"roster/internal/rostertest"
	"roster/internal/storetest"
)

// TestRotationsUnderTraffic rotates the secret key, again and again, while the
// server answers signed calls and apps are made. No valid call is refused, every
// secret can be read at the end, and no secret or key stands readable anywhere.
func TestRotationsUnderTraffic(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		ctx := context.Background()
		keyFile := filepath.Join(t.TempDir(), "secret.key")
		s := rostertest.Start(t, dsn, rostertest.Options{SecretKeyFile: keyFile})
		account := s.Account("owner@example.com")
		s.Users(account, "ann@example.com")
		apps := []rostertest.App{s.App(account), s.App(account)}
		secrets := keysIn(t, keyFile)

		stop := make(chan struct{})
		var traffic sync.WaitGroup
		var calls atomic.Int64
		for _, app := range apps {
			traffic.Go(func() {
				for !ended(stop) {
					if got := s.Remove(app, `{"deleteEmailIds":["nobody@example.com"]}`); got.Status != http.StatusOK {
						t.Errorf("a valid call got %d %s", got.Status, got.Body)
					}
					calls.Add(1)
				}
			})
		}
		made := make([]rostertest.App, storetest.Count(10, 300))
		for i := range made {
			r := openRoster(t, dsn, keyFile)
			// Meanwhile an app is made as by a process of its own, which loads the key.
			traffic.Go(func() { made[i] = createApp(t, dsn, keyFile, account) })
			if _, err := r.RotateSecretKey(ctx, auth.Operator()); err != nil {
				t.Errorf("rotate: %v", err)
			}
			secrets = append(secrets, keysIn(t, keyFile)...)
			if err := r.Close(); err != nil {
				t.Error(err)
			}
		}
		close(stop)
		traffic.Wait()
		apps = append(apps, made...)
		for _, app := range apps {
			secrets = append(secrets, app.Secret)
			if got := s.Remove(app, `{"deleteEmailIds":["nobody@example.com"]}`); got.Status != http.StatusOK {
				t.Errorf("at the end: %d %s", got.Status, got.Body)
			}
		}
		s.VerifyAudit()
		if info, err := os.Stat(keyFile); err != nil || info.Mode() != 0o600 {
			t.Errorf("the key file has mode %v (%v)", info.Mode(), err)
		}
		if n := len(keysIn(t, keyFile)); n != 1 {
			t.Errorf("the key file holds %d keys at the end", n)
		}
		t.Logf("%d rotations, %d calls, %d apps made", len(made), calls.Load(), len(made))
		scan(t, s, secrets)
	})
}

func ended(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func openRoster(t *testing.T, dsn, keyFile string) *roster.Roster {
	t.Helper()
	r, err := roster.Open(context.Background(), roster.Options{Database: dsn, Secrets: true, SecretKeyFile: keyFile})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// createApp makes an app as 'roster app create' does.
func createApp(t *testing.T, dsn, keyFile, account string) rostertest.App {
	ctx := context.Background()
	r, err := roster.Open(ctx, roster.Options{Database: dsn, Secrets: true, SecretKeyFile: keyFile})
	if err != nil {
		t.Errorf("open to create an app: %v", err)
		return rostertest.App{}
	}
	id, secret, err := r.CreateApp(ctx, auth.Operator(), account, roster.NewApp{Name: "made", Scopes: []directory.Scope{directory.ScopeUserManagement}})
	if err := errors.Join(err, r.Close()); err != nil {
		t.Errorf("create app: %v", err)
	}
	return rostertest.App{ClientID: id, Secret: secret}
}

// keysIn returns the keys of a key file as they stand there.
func keysIn(t *testing.T, path string) []string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(text))
}

// scan looks for the secrets, as text, as the bytes they stand for and in
// hexadecimal, in the server's log and in all that the database holds.
func scan(t *testing.T, s *rostertest.Server, secrets []string) {
	t.Helper()
	places := map[string][]byte{"log": []byte(s.Log.String())}
	for table, rows := range s.Dump() {
		places["table "+table] = []byte(strings.Join(rows, "\n"))
	}
	if !strings.HasPrefix(s.DSN, "postgres") {
		for _, name := range []string{s.DSN, s.DSN + "-wal"} {
			content, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			places[name] = content
		}
	}
	if found := find(places, secrets); found != "" {
		t.Errorf("a secret stands in %s", found)
	}
	// The control: what is known to be there is found.
	delete(places, "log")
	if find(places, []string{"ann@example.com"}) == "" {
		t.Error("the scan finds nothing at all")
	}
}

// find names the first place that holds one of the secrets.
func find(places map[string][]byte, secrets []string) string {
	var forms [][]byte
	for _, secret := range secrets {
		forms = append(forms, []byte(secret), []byte(hex.EncodeToString([]byte(secret))))
		if raw, err := base64.StdEncoding.DecodeString(secret); err == nil && len(raw) > 0 {
			forms = append(forms, raw, []byte(hex.EncodeToString(raw)))
		}
	}
	for place, content := range places {
		index := suffixarray.New(content) // the long form has thousands of secrets
		for _, form := range forms {
			if len(index.Lookup(form, 1)) > 0 {
				return place
			}
		}
	}
	return ""
}

// TestServersWithKeyFilesOfTheirOwn is a rotation with two machines in the wrong
// order: the one without the new key answers 503, says in its log what to do,
// and serves again once the file was copied.
func TestServersWithKeyFilesOfTheirOwn(t *testing.T) {
	t.Parallel()
	dsn := storetest.New(t, "postgres")
	ctx := context.Background()
	here, there := filepath.Join(t.TempDir(), "secret.key"), filepath.Join(t.TempDir(), "secret.key")
	one := rostertest.Start(t, dsn, rostertest.Options{SecretKeyFile: here})
	account := one.Account("owner@example.com")
	app := one.App(account)
	copyKeys(t, here, there)
	two := rostertest.Start(t, dsn, rostertest.Options{SecretKeyFile: there})
	const body = `{"deleteEmailIds":["nobody@example.com"]}`
	want := func(s *rostertest.Server, status int) {
		t.Helper()
		if got := s.Remove(app, body); got.Status != status {
			t.Errorf("%d %s, want %d", got.Status, got.Body, status)
		}
	}
	if _, err := one.Roster.RotateSecretKey(ctx, auth.Operator()); err != nil {
		t.Fatal(err)
	}
	want(one, http.StatusOK)
	got := two.Remove(app, body)
	if got.Status != http.StatusServiceUnavailable || got.Header.Get("Retry-After") == "" || strings.Contains(got.Body, "key") {
		t.Errorf("%d %s", got.Status, got.Body)
	}
	for _, part := range []string{there, "copy the file from the machine where 'roster secret-key rotate' ran"} {
		if !strings.Contains(two.Log.String(), part) {
			t.Errorf("the log does not say %q:\n%s", part, two.Log)
		}
	}
	// Nobody else's token becomes valid or unavailable by it.
	stranger := rostertest.Sign(jwt.SigningMethodHS256, []byte(app.Secret), jwt.MapClaims{"appId": "cs-nobody"})
	if got := two.Do(rostertest.Request{Body: body, Token: stranger}); got.Status != http.StatusUnauthorized {
		t.Errorf("a stranger got %d", got.Status)
	}
	copyKeys(t, here, there)
	for two.Remove(app, body).Status == http.StatusServiceUnavailable { // within a second
	}
	want(two, http.StatusOK)

	// The right order: nobody notices.
	if _, _, err := one.Roster.AddSecretKey(ctx, auth.Operator()); err != nil {
		t.Fatal(err)
	}
	copyKeys(t, here, there)
	if _, err := one.Roster.RotateSecretKey(ctx, auth.Operator()); err != nil {
		t.Fatal(err)
	}
	want(two, http.StatusOK)
	want(one, http.StatusOK)
}

func copyKeys(t *testing.T, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}
