package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/alexedwards/argon2id"

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

// HashPassword makes what is kept of a password, by Argon2id with a salt of its
// own. The error is that of ctx while others have their turn.
func HashPassword(ctx context.Context, password string) (hash string, err error) {
	err = inTurn(ctx, func() (err error) {
		hash, err = argon2id.CreateHash(password, &passwordCost)
		return err
	})
	return hash, err
}

// decoy is the hash of no password. It costs as much to look at as another.
var decoy = sync.OnceValues(func() (string, error) { return argon2id.CreateHash(rand.Text(), &passwordCost) })

// PasswordMatches reports whether the hash is that of the password. An empty
// hash, which is nobody's, takes as long and never is.
func PasswordMatches(ctx context.Context, password, hash string) (ok bool, err error) {
	known := hash != ""
	if !known {
		if hash, err = decoy(); err != nil {
			return false, err
		}
	}
	if utf8.RuneCountInString(password) > MaxPassword { // it cannot be one; nor is it hashed, which would take longer
		password = ""
	}
	err = inTurn(ctx, func() (err error) {
		ok, err = argon2id.ComparePasswordAndHash(password, hash)
		return err
	})
	return ok && known, err
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
