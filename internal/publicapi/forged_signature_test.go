package publicapi_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha3" // for crypto.SHA3_512
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"

	"roster/internal/auth"
)

// parts splits a signed token of the app.
func (f *forger) parts(s signer) (input string, signature []byte) {
	token := s.sign(header(s.alg), f.claims(s))
	dot := strings.LastIndex(token, ".")
	return token[:dot], unb64(token[dot+1:])
}

// resigned is a good token of any app, but for its signature.
func resigned(change func(f *forger, i int, s signer, input string, signature []byte) []byte) func(*forger, int) string {
	return func(f *forger, i int) string {
		s := f.pick()
		input, signature := f.parts(s)
		return f.wrap(s, input+"."+b64(change(f, i, s, input, signature)))
	}
}

// hmacKeyed is a token of an app with a secret, signed with another key. An
// HMAC fills its key up with zeros, so no key may end in one.
func hmacKeyed(key func(f *forger, i int, s signer) []byte) func(*forger, int) string {
	return func(f *forger, i int) string {
		s := f.pick("HS256", "HS512", "JWE HS256", "must expire", "enforce JTI")
		input, _ := f.parts(s)
		return f.wrap(s, input+"."+b64(mac(hashOf(s.alg), key(f, i, s), input)))
	}
}

// Signatures that are wrong.
var signatureClasses = []class{
	{"signature empty", badToken, auth.ReasonSignature, resigned(func(*forger, int, signer, string, []byte) []byte { return nil })},
	{"signature cut", badToken, auth.ReasonSignature, resigned(func(_ *forger, i int, _ signer, _ string, sig []byte) []byte {
		if i%2 == 0 {
			return sig[:len(sig)-1-i/2]
		}
		return sig[1+i/2:]
	})},
	{"signature extended", badToken, auth.ReasonSignature, resigned(func(f *forger, i int, _ signer, _ string, sig []byte) []byte {
		if i%2 == 0 {
			return append(bytes.Clone(sig), make([]byte, 1+i)...)
		}
		return append(f.bytes(i), sig...)
	})},
	{"signature with a bit turned", badToken, auth.ReasonSignature, resigned(func(f *forger, _ int, _ signer, _ string, sig []byte) []byte {
		sig[f.rand.IntN(len(sig))] ^= 1 << f.rand.IntN(8)
		return sig
	})},
	{"signature at random", badToken, auth.ReasonSignature, resigned(func(f *forger, _ int, _ signer, _ string, sig []byte) []byte {
		return f.bytes(len(sig))
	})},
	{"signature of one byte repeated", badToken, auth.ReasonSignature, resigned(func(_ *forger, i int, _ signer, _ string, sig []byte) []byte {
		return bytes.Repeat([]byte{byte(i * 13)}, len(sig))
	})},
	{"signature of another token of the app", badToken, auth.ReasonSignature, resigned(func(f *forger, _ int, s signer, _ string, _ []byte) []byte {
		_, sig := f.parts(s)
		return sig
	})},
	{"digest without a key in place of a signature", badToken, auth.ReasonSignature, resigned(func(_ *forger, _ int, s signer, input string, _ []byte) []byte {
		return digest(hashOf(s.alg), input)
	})},
	{"claims exchanged under the signature", badToken, auth.ReasonSignature, func(f *forger, i int) string {
		s := f.pick()
		good, more := f.claims(s), fmt.Sprintf(`,"x":%d`, i)
		head, rest, _ := strings.Cut(s.sign(header(s.alg), good), ".")
		_, sig, _ := strings.Cut(rest, ".")
		return f.wrap(s, head+"."+b64([]byte(strings.TrimSuffix(good, "}")+more+"}"))+"."+sig)
	}},
	{"header exchanged under the signature", badToken, auth.ReasonSignature, func(f *forger, i int) string {
		s := f.pick()
		_, rest, _ := strings.Cut(s.sign(header(s.alg), f.claims(s)), ".")
		return f.wrap(s, b64([]byte(header(s.alg, fmt.Sprintf(`,"x":%d`, i))))+"."+rest)
	}},
	{"HMAC of another size, cut to the right one", badToken, auth.ReasonSignature, hmacSized},
	{"RSA signature over another hash", badToken, auth.ReasonSignature, func(f *forger, i int) string {
		s := f.pick("RS256", "RS512", "JWE RS256")
		input, _ := f.parts(s)
		others := []crypto.Hash{crypto.SHA1, crypto.SHA224, crypto.SHA384, map[string]crypto.Hash{"RS256": crypto.SHA512, "RS512": crypto.SHA256}[s.alg]}
		return f.wrap(s, input+"."+b64(rsaSign(others[i%len(others)], s.key, input)))
	}},
	{"RSA signature with another key", badToken, auth.ReasonSignature, func(f *forger, i int) string {
		s := f.pick("RS256", "RS512", "JWE RS256")
		input, _ := f.parts(s)
		stranger := rsaKey(2048, 98+i%2)
		return f.wrap(s, input+"."+b64(rsaSign(hashOf(s.alg), stranger, input)))
	}},
	{"RSA signature without padding", badToken, auth.ReasonSignature, func(f *forger, i int) string {
		s := f.pick("RS256", "RS512", "JWE RS256")
		input, sig := f.parts(s)
		padded := make([]byte, len(sig)) // 0, 1 or the modulus and more: what a careless verifier takes
		padded[len(sig)-1] = byte(i)
		if i%2 == 0 {
			s.key.N.FillBytes(padded)
		}
		return f.wrap(s, input+"."+b64(padded))
	}},
	{"PSS under the name of PKCS #1", badToken, auth.ReasonSignature, func(f *forger, _ int) string {
		s := f.pick("RS256", "RS512", "JWE RS256")
		input, _ := f.parts(s)
		return f.wrap(s, input+"."+b64(pss(s.key, hashOf(s.alg), input)))
	}},
	{"HMAC under the name of RSA", badToken, auth.ReasonSignature, func(f *forger, i int) string {
		s := f.pick("RS256", "RS512")
		input, _ := f.parts(s)
		keys := publicForms(&s.key.PublicKey)
		return input + "." + b64(mac(hashOf(s.alg), keys[i%len(keys)], input))
	}},
	{"HMAC key: the decoded bytes of the secret", badToken, auth.ReasonSignature, hmacKeyed(func(_ *forger, _ int, s signer) []byte {
		return decodedSecret(s)
	})},
	{"HMAC key: the secret in another spelling", badToken, auth.ReasonSignature, hmacKeyed(func(_ *forger, i int, s signer) []byte {
		spellings := []string{
			strings.ToLower(s.secret), strings.ToUpper(s.secret), strings.TrimRight(s.secret, "="), s.secret + "=", s.secret + "\n",
			" " + s.secret, s.secret + " ", `"` + s.secret + `"`, s.secret[1:], s.secret[:len(s.secret)-2], s.secret + s.secret,
			base64.StdEncoding.EncodeToString([]byte(s.secret)), "Basic " + s.secret, s.id + ":" + s.secret,
			hex.EncodeToString(decodedSecret(s)), strings.ToUpper(hex.EncodeToString(decodedSecret(s))),
		}
		return []byte(spellings[i%len(spellings)])
	})},
	{"HMAC key: empty, short or known to all", badToken, auth.ReasonSignature, hmacKeyed(func(f *forger, i int, s signer) []byte {
		known := []string{
			"", "\x00", "0", "secret", "password", "changeme", "your-256-bit-secret", "key", "null", "undefined", "{}",
			s.id, s.name, f.account, s.alg, "HS256", "roster", "appId", strings.Repeat("A", 43) + "=", "a-string-secret-at-least-256-bits-long",
		}
		return []byte(known[i%len(known)])
	})},
}

// hmacSized has the right length and a hash that is none of the app's.
func hmacSized(f *forger, i int) string {
	s := f.pick("HS256", "HS512", "JWE HS256", "must expire", "enforce JTI")
	input, sig := f.parts(s)
	others := []crypto.Hash{crypto.SHA384, crypto.SHA512, crypto.SHA512_256}
	if s.alg == "HS512" {
		others = []crypto.Hash{crypto.SHA256, crypto.SHA384, crypto.SHA3_512}
	}
	other := mac(others[i%3], []byte(s.secret), input)
	return f.wrap(s, input+"."+b64(append(other, other...)[:len(sig)]))
}

func pss(key *rsa.PrivateKey, h crypto.Hash, input string) []byte {
	sig, err := rsa.SignPSS(rand.Reader, key, h, digest(h, input), nil)
	if err != nil {
		panic(err)
	}
	return sig
}

// spelled goes through the spellings of an algorithm that no app can have. The
// signature is empty, or what the app's algorithm would give.
func spelled(algs ...string) func(*forger, int) string {
	return func(f *forger, i int) string {
		s := f.pick()
		token := s.sign(header(algs[i%len(algs)]), f.claims(s))
		if f.rand.IntN(2) == 0 {
			token = token[:strings.LastIndex(token, ".")+1]
		}
		return f.wrap(s, token)
	}
}

// named is a token that names an algorithm and is signed as it says.
func named(algs []string, apps []string, sign func(f *forger, s signer, alg, input string) []byte) func(*forger, int) string {
	return func(f *forger, i int) string {
		s, alg := f.pick(apps...), algs[i%len(algs)]
		if alg == s.alg {
			alg = algs[(i+1)%len(algs)]
		}
		input := b64([]byte(header(alg))) + "." + b64([]byte(f.claims(s)))
		return f.wrap(s, input+"."+b64(sign(f, s, alg, input)))
	}
}

var (
	withSecret = []string{"HS256", "HS512", "JWE HS256", "must expire", "enforce JTI"}
	withKey    = []string{"RS256", "RS512", "JWE RS256"}
)

// Algorithms that are not the app's.
var algorithmClasses = []class{
	{"none in all spellings", badToken, auth.ReasonAlgorithm, spelled("none", "None", "NONE", "nOnE", "NonE", "nONE", "noNE", "NoNe", "none ",
		" none", "none\t", "nonе", "n\u006fne", "ｎｏｎｅ", "no ne", "none,HS256", "none\x00", "non", "nonee", "\u202enone")},
	{"no algorithm at all", badToken, auth.ReasonAlgorithm, func(f *forger, i int) string {
		s := f.pick()
		headers := []string{
			`{}`, `{"typ":"JWT"}`, `{"alg":""}`, `{"alg":null}`, `{"alg":0}`, `{"alg":256}`, `{"alg":true}`, `{"alg":false}`, `{"alg":[]}`,
			`{"alg":{}}`, `{"alg":["$"]}`, `{"alg":{"$":1}}`, `{"Alg":"$"}`, `{"ALG":"$"}`, `{"alg ":"$"}`, `{"algorithm":"$"}`, `{"enc":"$"}`,
			`{"\u0061lG":"$"}`, `{"typ":"$"}`, `{"alg":1e999}`,
		}
		return f.wrap(s, s.sign(strings.ReplaceAll(headers[i%len(headers)], "$", s.alg), f.claims(s)))
	}},
	{"the app's algorithm in another spelling", badToken, auth.ReasonAlgorithm, func(f *forger, i int) string {
		s := f.pick()
		spellings := []string{
			strings.ToLower(s.alg), s.alg + " ", " " + s.alg, s.alg + "\x00", s.alg[:1] + strings.ToLower(s.alg[1:]), s.alg + "\n", "\ufeff" + s.alg,
			s.alg[:2] + "-" + s.alg[2:], s.alg[:2], s.alg[2:], s.alg + s.alg, s.alg + ",none", "SHA" + s.alg[2:], "hmac-sha" + s.alg[2:],
			s.alg[:2] + "0" + s.alg[2:], s.alg + "K", s.alg[:2] + "1", "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256", "*", s.alg[:4],
		}
		return f.wrap(s, s.sign(header(spellings[i%len(spellings)]), f.claims(s)))
	}},
	{"HMAC of another size", badToken, auth.ReasonAlgorithm, named([]string{"HS384", "HS512", "HS256"}, withSecret,
		func(_ *forger, s signer, alg, input string) []byte { return mac(hashOf(alg), []byte(s.secret), input) })},
	{"RSA with another hash", badToken, auth.ReasonAlgorithm, named([]string{"RS384", "RS512", "RS256"}, withKey,
		func(_ *forger, s signer, alg, input string) []byte { return s.signature(alg, input) })},
	{"public key as the secret of an HMAC", badToken, auth.ReasonAlgorithm, func(f *forger, i int) string {
		s := f.pick(withKey...)
		keys, alg := publicForms(&s.key.PublicKey), []string{"HS256", "HS512", "HS384"}[f.rand.IntN(3)]
		input := b64([]byte(header(alg))) + "." + b64([]byte(f.claims(s)))
		return f.wrap(s, input+"."+b64(mac(hashOf(alg), keys[i%len(keys)], input)))
	}},
	{"RSA where a secret is due", badToken, auth.ReasonAlgorithm, named([]string{"RS256", "RS512", "RS384"}, withSecret,
		func(_ *forger, _ signer, alg, input string) []byte {
			return rsaSign(hashOf(alg), rsaKey(2048, 99), input)
		})},
	{"RSA-PSS", badToken, auth.ReasonAlgorithm, named([]string{"PS256", "PS384", "PS512"}, nil, func(_ *forger, s signer, alg, input string) []byte {
		if s.key == nil {
			s.key = rsaKey(2048, 99)
		}
		return pss(s.key, hashOf(alg), input)
	})},
	{"ECDSA", badToken, auth.ReasonAlgorithm, named([]string{"ES256", "ES384", "ES512", "ES256K"}, nil, ecdsaSign)},
	{"EdDSA", badToken, auth.ReasonAlgorithm, named([]string{"EdDSA", "Ed25519", "Ed448", "EDDSA"}, nil, func(f *forger, _ signer, _, input string) []byte {
		return ed25519.Sign(ed25519.NewKeyFromSeed(f.bytes(32)), []byte(input))
	})},
	{"psychic signatures: r and s are 0", badToken, auth.ReasonAlgorithm, named([]string{"ES256", "ES384", "ES512", "ES256K"}, nil,
		func(f *forger, _ signer, _, _ string) []byte {
			zeros := [][]byte{
				make([]byte, 64), make([]byte, 96), make([]byte, 132),
				{0x30, 6, 2, 1, 0, 2, 1, 0},
				append(make([]byte, 63), 1),
				elliptic.P256().Params().N.FillBytes(make([]byte, 64)),
				{0},
				nil,
			}
			return zeros[f.rand.IntN(len(zeros))]
		})},
	{"post-quantum and national algorithms", badToken, auth.ReasonAlgorithm, spelled("ML-DSA-44", "ML-DSA-65", "ML-DSA-87", "SLH-DSA-SHA2-128s", "FN-DSA-512",
		"SM2", "GOST", "Poly1305", "HS1", "HS224", "RS1", "RS224", "HSBLAKE2", "BLAKE3", "A128MAC", "HS3-256", "LMS", "XMSS", "RS256+HS256", "SHA256")},
	{"an algorithm of encryption", badToken, auth.ReasonAlgorithm, spelled("dir", "A128KW", "A192KW", "A256KW", "A128GCMKW", "A256GCMKW", "A256GCM",
		"RSA1_5", "RSA-OAEP", "RSA-OAEP-256", "ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A256KW", "PBES2-HS256+A128KW", "PBES2-HS512+A256KW",
		"A128CBC-HS256", "A256CBC-HS512", "C20P", "XC20P", "ECDH-1PU")},
}

func ecdsaSign(f *forger, _ signer, alg, input string) []byte {
	curve := map[string]elliptic.Curve{"ES384": elliptic.P384(), "ES512": elliptic.P521()}[alg]
	h := map[string]crypto.Hash{"ES384": crypto.SHA384, "ES512": crypto.SHA512}[alg]
	if curve == nil {
		curve, h = elliptic.P256(), crypto.SHA256
	}
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		panic(err)
	}
	r, s, err := ecdsa.Sign(rand.Reader, key, digest(h, input))
	if err != nil {
		panic(err)
	}
	size := (curve.Params().BitSize + 7) / 8
	return append(r.FillBytes(make([]byte, size)), s.FillBytes(make([]byte, size))...)
}
