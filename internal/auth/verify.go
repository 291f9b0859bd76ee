package auth

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"math"
	"math/big"
	"slices"
	"time"

	josejson "github.com/go-jose/go-jose/v4/json"

	"roster/internal/directory"
)

// AppKey is a live key of an app, unsealed.
type AppKey struct {
	ID directory.AppKeyID
	// Material is the text of a client secret, or a public key in PKIX form.
	Material []byte
}

// Verify checks the token's signature against the live keys of its app, by the
// app's algorithm, and then its claims at now. The error is a *Refusal. Nothing
// about the claims is said before the signature was found right.
//
// An app that there is not, or that may not call, is verified with no keys: it
// then takes as long as a wrong signature.
func (t Token) Verify(app directory.App, keys []AppKey, now time.Time) (Claims, error) {
	if t.signed == nil {
		return Claims{}, Refuse(ReasonAlgorithm, "algorithm is not the app's, or the header asks for what is not supported").Of(app)
	}
	key, payload, refusal := t.signedBy(app, keys)
	if refusal == nil {
		refusal = t.checkForm(app.Policy)
	}
	var c rawClaims
	if refusal == nil && josejson.Unmarshal(payload, &c) != nil {
		refusal = Refuse(ReasonMalformed, "its claims cannot be read")
	}
	if refusal == nil {
		refusal = c.checkTimes(now)
	}
	var jti string
	if refusal == nil {
		jti, refusal = c.checkPolicy(app.Policy, now)
	}
	if refusal != nil {
		return Claims{}, refusal.Of(app)
	}
	verified := Claims{Label: c.label(), Key: key, JTI: jti}
	if jti != "" {
		verified.Expires = time.UnixMilli(int64(math.Ceil(c.Expiry.seconds() * 1000))) // never earlier
	}
	return verified, nil
}

// signedBy finds the key that signed the token and returns what it signed. It
// takes as long without a key, or with one that the signature cannot be of.
func (t Token) signedBy(app directory.App, keys []AppKey) (directory.AppKeyID, []byte, *Refusal) {
	signature := t.signed.Signatures[0]
	algorithm := directory.Algorithm(signature.Header.Algorithm)
	decoy := decoyKey(algorithm, len(signature.Signature))
	if algorithm != app.Algorithm || len(keys) == 0 {
		_, _ = t.signed.Verify(decoy)
		if app.Algorithm != "" && algorithm != app.Algorithm {
			return 0, nil, Refuse(ReasonAlgorithm, "algorithm is not the app's: %s instead of %s", algorithm, app.Algorithm)
		}
		return 0, nil, Refuse(ReasonSignature, "the app has no key")
	}
	for _, key := range keys {
		material, err := verificationKey(algorithm, key.Material)
		if public, ok := material.(*rsa.PublicKey); err != nil || ok && public.Size() != len(signature.Signature) {
			_, _ = t.signed.Verify(decoy)
			continue
		}
		if payload, err := t.signed.Verify(material); err == nil {
			return key.ID, payload, nil
		}
	}
	return 0, nil, Refuse(ReasonSignature, "the signature is wrong")
}

// checkForm compares how the token came with how the app wants it.
func (t Token) checkForm(p directory.AppPolicy) *Refusal {
	switch {
	case p.EnforceJWE && !t.encrypted:
		return Refuse(ReasonNotEncrypted, "the app demands encrypted tokens (JWE)")
	case !p.EnforceJWE && t.encrypted:
		return Refuse(ReasonEncrypted, "it is encrypted, and the app does not demand that")
	}
	return nil
}

// minHS512 is the shortest key of HS512 that the library takes, in bytes.
const minHS512 = 64

// verificationKey is a key's material as the library wants it.
func verificationKey(a directory.Algorithm, material []byte) (any, error) {
	switch {
	case a.PublicKey():
		return x509.ParsePKIXPublicKey(material)
	case a == directory.HS512 && len(material) < minHS512:
		// An HMAC fills its key up with zeros to a block of 128 bytes anyway
		// (RFC 2104), so this is the same key.
		return append(slices.Clip(material), make([]byte, minHS512-len(material))...), nil
	}
	return material, nil
}

// decoyKey is a key to verify a signature of that many bytes against where there
// is none. What it verifies is never taken, so everybody may know it.
func decoyKey(a directory.Algorithm, signature int) any {
	if !a.PublicKey() {
		return make([]byte, minHS512)
	}
	if signature*8 < minRSABits || signature*8 > maxRSABits {
		signature = minRSABits / 8 // no app's key is so small or so large: it is refused at once
	}
	return &rsa.PublicKey{N: new(big.Int).SetBytes(bytes.Repeat([]byte{0xff}, signature)), E: 65537}
}
