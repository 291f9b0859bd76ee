package publicapi_test

import (
	"context"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/roster"
	"roster/internal/rostertest"
	"roster/internal/storetest"
)

// What refused tokens are answered, beside those of contract_test.go.
const (
	noExpiry    = `{"errors":[{"msg":"error verifying the jwt: \"exp\" claim is required","code":401}]}`
	noJTI       = `{"errors":[{"msg":"error verifying the jwt: \"jti\" claim is required","code":401}]}`
	jtiLifetime = `{"errors":[{"msg":"error verifying the jwt: if \"jti\" claim \"exp\" must be <= 1 hour(s)","code":401}]}`
)

// class is a kind of forged, spoilt or unfit token.
type class struct {
	name   string
	want   string      // the answer
	reason auth.Reason // what the operator is told
	// forge makes a token of the class. i counts them, for those that go
	// through a list of spellings.
	forge func(f *forger, i int) string
}

// perClass is how many tokens of each class are tried, and overHTTP how many of
// them in a call. In the long form all are.
const perClass, overHTTP = 20, 2

// signer is an app with what its tokens are made with.
type signer struct {
	name   string
	id     string
	alg    string
	secret string          // HS256, HS512
	key    *rsa.PrivateKey // RS256, RS512
	jwe    bool            // Enforce JWE
	needs  string          // claims without which the app refuses, as JSON with a comma in front
}

// forger makes tokens at random, the same ones for the same seed, randomness
// of encryption apart.
type forger struct {
	*world
	rand *rand.Rand
	apps map[string]signer
	kid  string // of the platform's key
	to   *rsa.PublicKey
}

// usable are the apps whose good tokens are taken, one of each kind.
var usable = []string{"HS256", "HS512", "RS256", "RS512", "JWE HS256", "JWE RS256", "must expire", "enforce JTI", "rotated"}

func newForger(w *world) *forger {
	f := &forger{world: w, apps: map[string]signer{}, rand: rand.New(rand.NewPCG(1, 1))}
	jwk, err := w.Roster.PlatformKey(context.Background(), auth.Operator())
	if err != nil {
		w.T.Fatal(err)
	}
	f.kid, f.to = platformKey(jwk)
	for i, alg := range directory.Algorithms() {
		f.add(signer{name: string(alg), alg: string(alg), key: keyFor(alg, i)}, roster.NewApp{})
	}
	enforced := roster.NewApp{Policy: directory.AppPolicy{EnforceJWE: true}}
	f.add(signer{name: "JWE HS256", alg: "HS256", jwe: true}, enforced)
	f.add(signer{name: "JWE RS256", alg: "RS256", jwe: true, key: rsaKey(2048, 4)}, enforced)
	f.add(signer{name: "must expire", alg: "HS256", needs: fmt.Sprintf(`,"exp":%d`, noon+300)},
		roster.NewApp{Policy: directory.AppPolicy{MustExpire: true}})
	f.add(signer{name: "enforce JTI", alg: "HS512", needs: fmt.Sprintf(`,"exp":%d,"iat":%d,"jti":"$JTI"`, noon+300, noon)},
		roster.NewApp{Policy: directory.AppPolicy{EnforceJTI: true}})
	for _, name := range []string{"disabled", "deleted", "retired", "other app"} {
		f.add(signer{name: name, alg: "HS256"}, roster.NewApp{})
	}
	f.add(signer{name: "Bot Builder", alg: "HS256"}, roster.NewApp{Origin: directory.OriginBotBuilder})
	f.add(signer{name: "scopeless", alg: "HS256"}, roster.NewApp{Scopes: []directory.Scope{
		directory.ScopeRoleManagement, directory.ScopeDeleteUserData, directory.ScopeAuditLogs,
	}})
	for i, scope := range wrongScopes {
		name := fmt.Sprintf("scope %d", i)
		f.add(signer{name: name, alg: "HS256"}, roster.NewApp{Scopes: []directory.Scope{directory.Scope(scope)}})
	}
	storetest.Exec(w.T, w.DSN, "UPDATE apps SET state = 'disabled' WHERE client_id = $1", f.apps["disabled"].id)
	storetest.Exec(w.T, w.DSN, "UPDATE apps SET state = 'deleted' WHERE client_id = $1", f.apps["deleted"].id)
	f.rotate("retired", "rotated")
	f.spend()
	f.apps["theirs"] = signer{id: w.otherApp.ClientID, alg: "HS256", secret: w.otherApp.Secret}
	return f
}

// spend makes a call as each app with a token that is good for one call.
func (f *forger) spend() {
	f.T.Helper()
	for _, name := range usable {
		got := f.Do(rostertest.Request{Body: emails("nobody@example.com"), Token: f.once(f.apps[name], `,"jti":"spent"`)})
		if got.Status != 200 {
			f.T.Fatalf("app %s: answered %d %s", name, got.Status, got.Body)
		}
	}
}

// once is a good token of the app with a jti.
func (f *forger) once(s signer, jti string) string {
	s.needs = fmt.Sprintf(`,"exp":%d`, noon+60+f.rand.IntN(3000))
	return f.wrap(s, s.sign(header(s.alg), f.claims(s, jti)))
}

// rotate gives an app another secret and retires the first. The app is then
// there under two names: with the old one and with the new one.
func (f *forger) rotate(name, rotated string) {
	f.T.Helper()
	s, ctx := f.apps[name], context.Background()
	_, fresh, err := f.Roster.AddSecret(ctx, auth.Operator(), s.id, roster.NewSecret{})
	if err != nil {
		f.T.Fatal(err)
	}
	if _, err := f.Roster.RetireSecret(ctx, auth.Operator(), s.id, 1); err != nil {
		f.T.Fatal(err)
	}
	s.name, s.secret = rotated, fresh
	f.keep(rostertest.App{ClientID: s.id, Secret: fresh})
	f.apps[rotated] = s
}

func keyFor(a directory.Algorithm, n int) *rsa.PrivateKey {
	if a.PublicKey() {
		return rsaKey(2048, n)
	}
	return nil
}

// add makes an app of the account, with the scope User Management unless it
// says otherwise.
func (f *forger) add(s signer, app roster.NewApp) {
	f.T.Helper()
	app.Name, app.Algorithm = s.name, directory.Algorithm(s.alg)
	if app.Scopes == nil {
		app.Scopes = []directory.Scope{directory.ScopeUserManagement}
	}
	if s.key != nil {
		app.PublicKey = publicPEM(&s.key.PublicKey)
	}
	var err error
	if s.id, s.secret, err = f.Roster.CreateApp(context.Background(), auth.Operator(), f.account, app); err != nil {
		f.T.Fatalf("create app %s: %v", s.name, err)
	}
	f.keep(rostertest.App{ClientID: s.id, Secret: s.secret})
	f.apps[s.name] = s
}

// pick is one of the named apps, or of the usable ones.
func (f *forger) pick(names ...string) signer {
	if len(names) == 0 {
		names = usable
	}
	return f.apps[names[f.rand.IntN(len(names))]]
}

// bytes are n random ones.
func (f *forger) bytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(f.rand.Uint32())
	}
	return b
}

func (f *forger) word() string { return strconv.FormatUint(f.rand.Uint64(), 16) }

// quote is a text as JSON.
func quote(text string) string {
	b, err := json.Marshal(text)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// header is the JSON of a good header, with more keys, each with a comma in front.
func header(alg string, more ...string) string {
	return fmt.Sprintf(`{"alg":%s,"typ":"JWT"%s}`, quote(alg), strings.Join(more, ""))
}

// claims are good ones of the app, with more, each with a comma in front.
func (f *forger) claims(s signer, more ...string) string {
	return fmt.Sprintf(`{"appId":%s,"n":%q%s%s}`, quote(s.id), f.word(), strings.ReplaceAll(s.needs, "$JTI", f.word()), strings.Join(more, ""))
}

// sign makes a token whose signature is right for the app's algorithm, whatever
// its header says.
func (s signer) sign(header, claims string) string {
	input := b64([]byte(header)) + "." + b64([]byte(claims))
	return input + "." + b64(s.signature(s.alg, input))
}

func (s signer) signature(alg, input string) []byte {
	if s.key != nil {
		return rsaSign(hashOf(alg), s.key, input)
	}
	return mac(hashOf(alg), []byte(s.secret), input)
}

// wrap encrypts a token where the app wants that.
func (f *forger) wrap(s signer, token string) string {
	if !s.jwe {
		return token
	}
	return f.envelope().seal(token)
}

// envelope is a good one.
func (f *forger) envelope() envelope {
	enc := []string{"A128CBC-HS256", "A128GCM", "A256GCM"}[f.rand.IntN(3)]
	return envelope{header: f.jweHeader("RSA-OAEP", enc), to: f.to, enc: enc}
}

func (f *forger) jweHeader(alg, enc string, more ...string) string {
	return fmt.Sprintf(`{"alg":%s,"enc":%s,"kid":%s,"cty":"JWT"%s}`, quote(alg), quote(enc), quote(f.kid), strings.Join(more, ""))
}

// good is a token that is taken.
func (f *forger) good(s signer) string { return f.wrap(s, s.sign(header(s.alg), f.claims(s))) }

// answered checks that a call with the token is answered with the text of its class.
func (f *forger) answered(c class, token string) (requestID string) {
	f.T.Helper()
	got := f.Do(rostertest.Request{Body: emails(ann, bob, cleo), Token: token})
	if got.Status != 401 || got.Body != c.want {
		f.T.Errorf("answered %d %s\n    want 401 %s\n   token %s", got.Status, got.Body, c.want, token)
	}
	return got.Header.Get("X-Request-Id")
}

// refused checks that a token is refused for the reason of its class, and returns
// what the operator is told.
func (f *forger) refused(c class, token string) (why string) {
	f.T.Helper()
	caller, err := f.Roster.Authenticate(context.Background(), strings.TrimSpace(token))
	if err == nil {
		_, err = f.Roster.Admit(context.Background(), caller, directory.ScopeUserManagement)
	}
	var refusal *auth.Refusal
	if !errors.As(err, &refusal) || refusal.Reason != c.reason {
		f.T.Errorf("refused with %v, want the reason %s\n   token %s", err, c.reason, token)
		return ""
	}
	return refusal.Error()
}

// try sends tokens of a class: each is refused, nobody is removed, the database
// is as before, and the log says why.
func (f *forger) try(c class) {
	f.T.Helper()
	seed := fnv.New64()
	seed.Write([]byte(c.name))
	f.rand = rand.New(rand.NewPCG(1, seed.Sum64()))
	before, logged := f.Dump(), len(f.Log.String())
	want := map[string]string{}
	for i := range perClass {
		token := c.forge(f, i)
		if i < 2 && strings.Contains(token, ".") { // the search for leaks takes its time
			f.secrets = append(f.secrets, token)
		}
		why := f.refused(c, token)
		if i < overHTTP || storetest.Long() {
			want[f.answered(c, token)] = why
		}
		if f.T.Failed() {
			return
		}
	}
	f.unchanged(before)
	f.logged(logged, want)
}

// logged makes sure that the log says why of each request, from an offset on.
func (f *forger) logged(from int, want map[string]string) {
	f.T.Helper()
	said := map[string]string{}
	eventually(f.T, "the lines of all requests in the log", func() bool {
		for text := range strings.Lines(f.Log.String()[from:]) {
			var line struct{ Msg, RequestID, Why string }
			if json.Unmarshal([]byte(text), &line) == nil && line.Msg == "request" {
				said[line.RequestID] = line.Why
			}
		}
		return len(said) >= len(want)
	})
	for id, why := range want {
		if said[id] != why {
			f.T.Errorf("the log says %q, want %q", said[id], why)
		}
	}
}

// Reliability S1: no forged, spoilt or unfit token removes anybody, each class
// is answered with the contract's text, and nobody is asked for keys.
func TestForgedTokens(t *testing.T) {
	t.Parallel()
	storetest.EachInLong(t, func(t *testing.T, dsn string) {
		w := start(t, dsn, rostertest.Options{Clock: func() time.Time { return time.Unix(noon, 0) }})
		f := newForger(w)
		members := w.Members(w.account)
		for _, c := range classes() {
			t.Run(c.name, func(t *testing.T) {
				sub := *f
				sub.world = w.at(t)
				sub.try(c)
				w.secrets = sub.secrets
			})
		}
		if now := w.Members(w.account); !slices.Equal(members, now) {
			t.Errorf("left in the account: %q, want %q", now, members)
		}
		f.control(t)
	})
}

// control shows that the classes fail for what is wrong with them: a good token
// of each app is taken by the same harness.
func (f *forger) control(t *testing.T) {
	f.rand = rand.New(rand.NewPCG(1, 2))
	for i := range 2 * len(usable) {
		s := f.apps[usable[i%len(usable)]]
		leaver := fmt.Sprintf("leaver%d@example.com", i)
		f.Users(f.account, leaver)
		if got := f.Do(rostertest.Request{Body: emails(leaver), Token: f.good(s)}); got.Body != removed {
			t.Errorf("a good token of app %s: answered %d %s", s.name, got.Status, got.Body)
		}
	}
	if got := f.Do(rostertest.Request{Body: emails(ann), Token: f.good(f.apps["theirs"])}); got.Status != 200 {
		t.Errorf("a good token of another account's app: answered %d %s", got.Status, got.Body)
	}
	if !slices.Contains(f.Members(f.account), ann) {
		t.Error("the other account's app has removed somebody of this one")
	}
	if to := calledAway(); len(to) > 0 {
		t.Errorf("the server has tried to reach %q", to)
	}
}

func classes() []class {
	return slices.Concat(signatureClasses, algorithmClasses, headerClasses, appClasses, claimClasses, formClasses, jweClasses)
}

// The table is as large as was promised, and names no class twice.
func TestForgedTokensTable(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, c := range classes() {
		if seen[c.name] || c.forge == nil || c.want == "" || c.reason == "" {
			t.Errorf("class %q is not whole, or there twice", c.name)
		}
		seen[c.name] = true
	}
	if len(seen) < 45 {
		t.Errorf("%d classes, want 45 or more", len(seen))
	}
}

// decodedSecret is the mistake that everybody makes once.
func decodedSecret(s signer) []byte {
	raw, err := base64.StdEncoding.DecodeString(s.secret)
	if err != nil {
		panic(err)
	}
	return raw
}
