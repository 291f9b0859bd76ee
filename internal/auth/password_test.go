package auth_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alexedwards/argon2id"

	"roster/internal/auth"
)

// hashed hashes a password by parameters.
func hashed(t *testing.T, password, params string) string {
	t.Helper()
	hash, err := auth.HashPassword(context.Background(), password, params)
	if err != nil {
		t.Fatal(err)
	}
	return hash
}

// A password is found among those of a person; a hash by other parameters is none of
// theirs.
func TestMatchPassword(t *testing.T) {
	t.Parallel()
	const password, other = "correct horse battery", "eleven purple giraffes"
	params, long := auth.NewPasswordParams(), strings.Repeat("x", auth.MaxPassword+1)
	mine, theirs, empty := hashed(t, password, params), hashed(t, other, params), hashed(t, "", params)
	foreign := hashed(t, password, auth.NewPasswordParams())
	before, err := argon2id.CreateHash(password, &argon2id.Params{Memory: 19 << 10, Iterations: 2, Parallelism: 1, SaltLength: 16, KeyLength: 32})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		password string
		hashes   []string
		want     []bool
	}{
		"none":                   {password, nil, []bool{}},
		"one":                    {password, []string{mine}, []bool{true}},
		"wrong":                  {password, []string{theirs}, []bool{false}},
		"among others":           {password, []string{theirs, mine, theirs, mine}, []bool{false, true, false, true}},
		"other parameters":       {password, []string{mine, foreign}, []bool{true, false}},
		"an earlier version's":   {password, []string{before}, []bool{true}},
		"longer than a password": {long, []string{mine, hashed(t, long, params)}, []bool{false, false}},
		"empty":                  {"", []string{mine, theirs}, []bool{false, false}},
		"the hash of nothing":    {long, []string{empty}, []bool{false}},
	} {
		got, err := auth.MatchPassword(context.Background(), c.password, c.hashes)
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, %v; want %v", name, got, err, c.want)
		}
	}
	for _, broken := range []string{"x", "", "$argon2id$v=19$m=19456,t=2,p=1$*$x"} {
		if got, err := auth.MatchPassword(context.Background(), password, []string{broken}); err == nil {
			t.Errorf("the hash %q: %v", broken, got)
		}
	}
}

// An attempt costs one hash whatever the number of passwords, which the time would tell.
func TestMatchPasswordCostsTheSameForAnyNumber(t *testing.T) {
	t.Parallel()
	const password = "correct horse battery"
	params := auth.NewPasswordParams()
	many := slices.Repeat([]string{hashed(t, "eleven purple giraffes", params)}, 100)
	fastest := func(hashes []string) time.Duration {
		best := time.Hour
		for range 5 {
			begun := time.Now()
			if _, err := auth.MatchPassword(context.Background(), password, hashes); err != nil {
				t.Fatal(err)
			}
			best = min(best, time.Since(begun))
		}
		return best
	}
	none, one, hundred := fastest(nil), fastest(many[:1]), fastest(many)
	if hundred > 10*one || one > 10*none || none > 10*one {
		t.Errorf("none %v, one %v, a hundred %v", none, one, hundred)
	}
}
