package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/alexedwards/argon2id"
	"golang.org/x/crypto/argon2"

	"roster/internal/directory"
)

// Bounds of a password, in characters. What it consists of is free.
const (
	MinPassword = 12
	MaxPassword = 256
)

// passwordCost is what one look at a password costs: 19 MiB and two passes, as
// OWASP recommends for Argon2id, some 30 ms.
var passwordCost = argon2id.Params{Memory: 19 << 10, Iterations: 2, Parallelism: 1, SaltLength: 16, KeyLength: 32}

// passwordsAtOnce bounds how many passwords a process looks at at once, and so
// what strangers who try can take of its memory and time.
const passwordsAtOnce = 4

var passwordTurns = make(chan struct{}, passwordsAtOnce)

// inTurn runs fn when it is its turn, or returns the error of ctx.
func inTurn(ctx context.Context, fn func() error) error {
	select {
	case passwordTurns <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("%w: too many sign in at once: %w", directory.ErrUnavailable, ctx.Err())
	}
	defer func() { <-passwordTurns }()
	return fn()
}

// CheckPassword refuses a password that is too short, too long or easily guessed
// by who knows the address. The error wraps directory.ErrInvalid.
func CheckPassword(password, email string) error {
	switch n := utf8.RuneCountInString(password); {
	case !utf8.ValidString(password):
		return directory.Errorf(directory.ErrInvalid, "the password is not UTF-8")
	case n < MinPassword:
		return directory.Errorf(directory.ErrInvalid, "the password has %d characters and needs %d or more", n, MinPassword)
	case n > MaxPassword:
		return directory.Errorf(directory.ErrInvalid, "the password has more than %d characters", MaxPassword)
	}
	distinct := map[rune]bool{}
	steps := 0 // characters that follow on the one before, as in abc or 321
	var before rune
	for i, c := range password {
		distinct[c] = true
		if i > 0 && (c-before == 1 || before-c == 1) {
			steps++
		}
		before = c
	}
	lower := strings.ToLower(password)
	local, _, _ := strings.Cut(strings.ToLower(email), "@")
	switch {
	case len(distinct) < 5, steps > len(password)/2:
		return directory.Errorf(directory.ErrInvalid, "the password is a repetition or a row that is easily guessed: several words make a good one")
	case len(local) >= 3 && strings.Contains(lower, local), strings.Contains(lower, "password"):
		return directory.Errorf(directory.ErrInvalid, "the password holds the address, or the word password: several other words make a good one")
	}
	return nil
}

// NewPasswordParams makes the parameters by which passwords of a person are hashed:
// the cost, and a random salt, as a PHC string has them in front of the hash. All
// passwords of a person share them; see MatchPassword.
func NewPasswordParams() string {
	salt := make([]byte, passwordCost.SaltLength)
	rand.Read(salt)
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s", argon2.Version,
		passwordCost.Memory, passwordCost.Iterations, passwordCost.Parallelism, base64.RawStdEncoding.EncodeToString(salt))
}

// HashPassword hashes a password by parameters of NewPasswordParams with Argon2id. It
// returns a PHC string: the parameters, and the hash. While others have their turn it
// waits, and returns the error of ctx.
func HashPassword(ctx context.Context, password, params string) (hash string, err error) {
	err = inTurn(ctx, func() (err error) {
		hash, err = derive(password, params)
		return err
	})
	return hash, err
}

// derive computes the hash of a password, which is what all the cost is.
func derive(password, params string) (hash string, err error) {
	cost, salt, _, err := argon2id.DecodeHash(params + "$")
	if err != nil {
		return "", fmt.Errorf("parameters of a password: %w", err)
	}
	key := argon2.IDKey([]byte(password), salt, cost.Iterations, cost.Memory, cost.Parallelism, passwordCost.KeyLength)
	return params + "$" + base64.RawStdEncoding.EncodeToString(key), nil
}

// decoy are parameters that no password is hashed by.
var decoy = sync.OnceValue(NewPasswordParams)

// MatchPassword reports which of the hashes are of the password. They are those of one
// person and share their parameters, so it computes one hash whatever their number: with
// none as well, so that the time does not tell how many there are.
func MatchPassword(ctx context.Context, password string, hashes []string) (matches []bool, err error) {
	params := decoy()
	if len(hashes) > 0 {
		params = hashes[0][:max(strings.LastIndexByte(hashes[0], '$'), 0)]
	}
	tooLong := utf8.RuneCountInString(password) > MaxPassword
	if tooLong { // it cannot be one; nor is it hashed, which would take longer
		password = ""
	}
	computed, err := HashPassword(ctx, password, params)
	if err != nil {
		return nil, err
	}
	matches = make([]bool, len(hashes))
	for i, hash := range hashes {
		matches[i] = subtle.ConstantTimeCompare([]byte(hash), []byte(computed)) == 1 && !tooLong
	}
	return matches, nil
}

// NewBearer makes a secret that whoever has it is let in by, 32 random bytes as
// text, and the hash by which it is known again.
func NewBearer() (token string, hash []byte) {
	b := make([]byte, 32)
	rand.Read(b)
	token = base64.RawURLEncoding.EncodeToString(b)
	return token, HashBearer(token)
}

// HashBearer is the hash of a secret that NewBearer made. The secret has enough
// randomness of its own to need neither salt nor cost.
func HashBearer(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}
