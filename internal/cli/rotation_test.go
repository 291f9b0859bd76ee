package cli_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"index/suffixarray"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"roster/internal/cli"
	"roster/internal/rostertest"
	"roster/internal/storetest"
)

// rotation changes the secret of an app again and again by the command line while
// clients call with it.
type rotation struct {
	*rostertest.Server
	t       *testing.T
	key     string
	app     string
	clients []*rotationClient
	secrets []string     // all there ever were
	output  bytes.Buffer // of all commands, without the secrets where they are made
}

// rotationClient calls all the time with one secret.
type rotationClient struct {
	mu     sync.Mutex // held during a call
	secret string
	calls  int
	called *sync.Cond
}

// run runs a command and returns what it printed.
func (r *rotation) run(args ...string) []byte {
	r.t.Helper()
	var out, errOut bytes.Buffer
	args = append(args, "--database", r.DSN)
	if code := cli.Main(context.Background(), args, strings.NewReader(""), &out, &errOut); code != 0 {
		r.t.Fatalf("roster %s: exit code %d: %s", strings.Join(args, " "), code, &errOut)
	}
	r.output.Write(errOut.Bytes())
	return out.Bytes()
}

// add makes a secret and returns its number.
func (r *rotation) add() (number int, secret string) {
	r.t.Helper()
	var out struct {
		Number       int
		ClientSecret string
	}
	if err := json.Unmarshal(r.run("app", "secret", "add", r.app, "--secret-key-file", r.key), &out); err != nil {
		r.t.Fatal(err)
	}
	r.secrets = append(r.secrets, out.ClientSecret)
	return out.Number, out.ClientSecret
}

// use lets a client call with another secret from its next call on. No call with
// the one before is under way once it returns.
func (c *rotationClient) use(secret string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.secret, c.calls = secret, 0
}

// wait waits until the client has called with its secret.
func (c *rotationClient) wait() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.calls == 0 {
		c.called.Wait()
	}
}

// call makes calls until the context ends. None may be refused because of its
// token. Most have a wrong content type, which is seen next, so that a SQLite
// file is not busy with them alone.
func (r *rotation) call(ctx context.Context, c *rotationClient) (calls int) {
	for ; ctx.Err() == nil; calls++ {
		request := rostertest.Request{Header: map[string]string{"Content-Type": "text/plain"}}
		want := http.StatusUnsupportedMediaType
		if calls%8 == 0 {
			request, want = rostertest.Request{Body: `{"deleteEmailIds":["nobody@example.com"]}`}, http.StatusOK
		}
		c.mu.Lock()
		request.Token = rostertest.App{ClientID: r.app, Secret: c.secret}.Token(nil)
		if answer := r.Do(request); answer.Status != want {
			r.t.Errorf("a call with a live secret: %d %s", answer.Status, answer.Body)
		}
		c.calls++
		c.called.Broadcast()
		c.mu.Unlock()
	}
	return calls
}

// TestSecretsAreRotatedUnderTraffic changes an app's secret again and again while
// some clients call with the newest and some with the one before it. No call with
// a live secret is refused, each with a retired one is, and no secret stands
// readable anywhere but where it was shown.
func TestSecretsAreRotatedUnderTraffic(t *testing.T) {
	t.Parallel()
	rotations := storetest.Count(15, 500)
	storetest.Each(t, func(t *testing.T, dsn string) {
		r := newRotation(t, dsn)
		ctx, stop := context.WithCancel(context.Background())
		defer stop()
		var all sync.WaitGroup
		counts := make([]int, len(r.clients))
		for i, c := range r.clients {
			all.Go(func() { counts[i] = r.call(ctx, c) })
		}
		newest, previous := r.clients[:2], r.clients[2:]
		for old := 1; old <= rotations && !t.Failed(); old++ {
			number, secret := r.add()
			if number != old+1 {
				t.Fatalf("secret %d after %d", number, old)
			}
			for _, c := range newest {
				c.use(secret)
			}
			for _, c := range r.clients {
				c.wait()
			}
			for _, c := range previous {
				c.use(secret)
			}
			r.output.Write(r.run("app", "secret", "retire", r.app, strconv.Itoa(old)))
			r.wantRetired(r.secrets[old-1])
		}
		stop()
		all.Wait()
		t.Logf("%d rotations during %v calls", rotations, counts)
		r.output.Write(r.run("app", "show", r.app))
		r.output.Write(r.run("app", "secret", "list", r.app))
		r.output.Write(r.run("audit", "verify"))
		r.scan()
	})
}

func newRotation(t *testing.T, dsn string) *rotation {
	t.Helper()
	key := filepath.Join(t.TempDir(), "key")
	r := &rotation{t: t, key: key, Server: rostertest.Start(t, dsn, rostertest.Options{SecretKeyFile: key})}
	app := r.App(r.Account("owner@example.com"))
	r.app, r.secrets = app.ClientID, []string{app.Secret}
	for range 4 {
		c := &rotationClient{secret: app.Secret}
		c.called = sync.NewCond(&c.mu)
		r.clients = append(r.clients, c)
	}
	return r
}

func (r *rotation) wantRetired(secret string) {
	r.t.Helper()
	answer := r.Remove(rostertest.App{ClientID: r.app, Secret: secret}, `{"deleteEmailIds":["nobody@example.com"]}`)
	if answer.Status != http.StatusUnauthorized {
		r.t.Errorf("a call with a retired secret: %d %s", answer.Status, answer.Body)
	}
}

// scan looks for every secret in all that was written, as text, as its bytes and
// as hexadecimal digits. The client id, which is no secret, shows that it looks
// where there is something.
func (r *rotation) scan() {
	r.t.Helper()
	places := map[string]string{"log": r.Log.String(), "output": r.output.String()}
	for table, rows := range r.Dump() { // its bytes are hexadecimal digits
		places["database"] += table + "\n" + strings.Join(rows, "\n")
	}
	if !strings.HasPrefix(r.DSN, "postgres") {
		for _, name := range []string{r.DSN, r.DSN + "-wal"} {
			content, err := os.ReadFile(name)
			if err != nil {
				r.t.Fatal(err)
			}
			places["file"] += string(content)
		}
	}
	for place, text := range places {
		index := suffixarray.New([]byte(text)) // a long run has many secrets and much text
		holds := func(form string) bool { return len(index.Lookup([]byte(form), 1)) > 0 }
		if !holds(r.app) {
			r.t.Errorf("the %s does not even hold the client id", place)
		}
		for i, secret := range r.secrets {
			raw, err := base64.StdEncoding.DecodeString(secret)
			if err != nil {
				r.t.Fatal(err)
			}
			for _, form := range []string{secret, string(raw), hex.EncodeToString(raw), hex.EncodeToString([]byte(secret))} {
				if holds(form) {
					r.t.Errorf("secret %d stands in the %s", i+1, place)
				}
			}
		}
	}
}
