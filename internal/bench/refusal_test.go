package bench

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/roster"
	"roster/internal/rostertest"
	"roster/internal/storetest"
)

// refusal is a token that is refused by its app or signature alone.
type refusal struct {
	name  string
	token string
	took  []time.Duration
}

// refusalTurns is how often each token is sent.
const refusalTurns = 3000

// BenchmarkRefusal sends tokens that are refused with the same words, one after
// the other in turns, over HTTP. How long the answer takes should not say why:
// the ratios are of the median to that of a wrong signature.
func BenchmarkRefusal(b *testing.B) {
	for _, engine := range storetest.Engines {
		s := rostertest.Start(b, storetest.New(b, engine), rostertest.Options{})
		account := s.Account("owner@example.com")
		for _, kind := range []struct {
			algorithm directory.Algorithm
			bits      int
		}{{directory.HS256, 0}, {directory.RS256, 2048}, {directory.RS256, 4096}} {
			b.Run(fmt.Sprintf("%s/%s-%d", engine, kind.algorithm, kind.bits), func(b *testing.B) {
				refusals := tokens(b, s, account, kind.algorithm, kind.bits)
				for b.Loop() {
					refuse(b, s, refusals)
				}
			})
		}
	}
}

// tokens makes apps of the algorithm, and a token for each way to be refused.
func tokens(b *testing.B, s *rostertest.Server, account string, a directory.Algorithm, bits int) []*refusal {
	b.Helper()
	app := func() string {
		id, _, err := s.Roster.CreateApp(b.Context(), auth.Operator(), account, roster.NewApp{
			Name: "Bench", Algorithm: a, PublicKey: publicKey(b, bits), Scopes: []directory.Scope{directory.ScopeUserManagement},
		})
		check(b, err)
		return id
	}
	enabled, disabled := app(), app()
	storetest.Exec(b, s.DSN, "UPDATE apps SET state = 'disabled' WHERE client_id = $1", disabled)
	strangers := func(clientID string, a directory.Algorithm) string {
		var key any = []byte(strings.Repeat("A", 44))
		if a.PublicKey() {
			key = rsaKey(b, max(bits, 2048))
		}
		return rostertest.Sign(jwt.GetSigningMethod(string(a)), key, jwt.MapClaims{"appId": clientID})
	}
	other := map[directory.Algorithm]directory.Algorithm{directory.HS256: directory.HS512, directory.RS256: directory.RS512}[a]
	return []*refusal{
		{name: "wrong-signature", token: strangers(enabled, a)},
		{name: "unknown-app", token: strangers(directory.NewClientID(), a)},
		{name: "disabled-app", token: strangers(disabled, a)},
		{name: "wrong-algorithm", token: strangers(enabled, other)},
	}
}

func rsaKey(b *testing.B, bits int) *rsa.PrivateKey {
	b.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	check(b, err)
	return key
}

// publicKey is a new one as PEM, nil for no bits.
func publicKey(b *testing.B, bits int) []byte {
	b.Helper()
	if bits == 0 {
		return nil
	}
	der, err := x509.MarshalPKIXPublicKey(rsaKey(b, bits).Public())
	check(b, err)
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

func refuse(b *testing.B, s *rostertest.Server, refusals []*refusal) {
	for turn := range refusalTurns {
		for i := range refusals {
			r := refusals[(turn+i)%len(refusals)]
			started := time.Now()
			answer := s.Do(rostertest.Request{Body: `{"deleteEmailIds":["ann@example.com"]}`, Token: r.token})
			r.took = append(r.took, time.Since(started))
			if answer.Status != http.StatusUnauthorized || !strings.Contains(answer.Body, "Invalid SDK credentials") {
				b.Fatalf("%s: answered %d %s", r.name, answer.Status, answer.Body)
			}
		}
	}
	median := func(r *refusal) time.Duration {
		slices.Sort(r.took)
		return r.took[len(r.took)/2]
	}
	for _, r := range refusals {
		b.ReportMetric(float64(median(r).Nanoseconds())/1000, r.name+"-us")
		b.ReportMetric(float64(median(r))/float64(median(refusals[0])), r.name+":wrong-signature")
	}
	b.ReportMetric(0, "ns/op")
}
