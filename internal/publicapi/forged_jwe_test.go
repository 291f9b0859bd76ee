package publicapi_test

import (
	"crypto/aes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"roster/internal/auth"
)

// encrypting are the apps with Enforce JWE.
var encrypting = []string{"JWE HS256", "JWE RS256"}

// inner is a signed token that is good once it is encrypted.
func (f *forger) inner() string {
	s := f.pick(encrypting...)
	return s.sign(header(s.alg), f.claims(s))
}

// enveloped is a good token but for the envelope.
func enveloped(change func(f *forger, i int, e *envelope)) func(*forger, int) string {
	return func(f *forger, i int) string {
		e := f.envelope()
		change(f, i, &e)
		return e.seal(f.inner())
	}
}

// jweHeaded is a good token whose envelope has more keys in its header.
func jweHeaded(more ...string) func(*forger, int) string {
	return enveloped(func(f *forger, i int, e *envelope) {
		e.header = f.jweHeader("RSA-OAEP", e.enc, ","+more[i%len(more)])
	})
}

// tampered is a good token with one part of it changed afterwards.
func tampered(part int, change func(f *forger, i int, raw []byte) []byte) func(*forger, int) string {
	return func(f *forger, i int) string {
		parts := strings.Split(f.envelope().seal(f.inner()), ".")
		parts[part] = b64(change(f, i, unb64(parts[part])))
		return strings.Join(parts, ".")
	}
}

// spoil changes a byte, cuts or extends.
func spoil(f *forger, i int, raw []byte) []byte {
	switch i % 5 {
	case 0:
		return raw[:len(raw)-1-f.rand.IntN(min(len(raw), 8))]
	case 1:
		return append(raw, f.bytes(1+f.rand.IntN(20))...)
	case 2:
		return nil
	case 3:
		return f.bytes(len(raw))
	}
	raw[f.rand.IntN(len(raw))] ^= 1 << f.rand.IntN(8)
	return raw
}

// wrapped encrypts the content's key in a way that is not supported.
func wrapped(alg string, more string, wrap func(f *forger, key []byte) []byte) func(*forger, int) string {
	return enveloped(func(f *forger, _ int, e *envelope) {
		e.header = f.jweHeader(alg, e.enc, more)
		e.wrap = func(key []byte) []byte { return wrap(f, key) }
	})
}

// keyWrap is RFC 3394, with which A128KW and its like encrypt a key.
func keyWrap(kek, key []byte) []byte {
	block, err := aes.NewCipher(kek)
	if err != nil {
		panic(err)
	}
	out := append([]byte{0xa6, 0xa6, 0xa6, 0xa6, 0xa6, 0xa6, 0xa6, 0xa6}, key...)
	n := len(key) / 8
	for t := range 6 * n {
		r := out[8*(t%n+1) : 8*(t%n+2)]
		b := slices.Concat(out[:8], r)
		block.Encrypt(b, b)
		b[7] ^= byte(t + 1)
		copy(out[:8], b[:8])
		copy(r, b[8:])
	}
	return out
}

// Tokens in five parts.
var jweClasses = []class{
	{"three parts where five are due", noToken, auth.ReasonNotEncrypted, func(f *forger, _ int) string { return f.inner() }},
	{"three parts where five are due, wrong signature", badToken, auth.ReasonSignature, func(f *forger, i int) string {
		s := f.pick(encrypting...)
		input, sig := f.parts(s)
		sig[i%len(sig)]++
		return input + "." + b64(sig)
	}},
	{"five parts where three are due", noToken, auth.ReasonEncrypted, func(f *forger, _ int) string {
		return f.envelope().seal(f.good(f.pick("HS256", "HS512", "RS256", "RS512", "must expire", "enforce JTI")))
	}},
	{"five parts where three are due, wrong signature", badToken, auth.ReasonSignature, func(f *forger, i int) string {
		input, sig := f.parts(f.pick("HS256", "HS512", "RS256", "RS512", "must expire", "enforce JTI"))
		sig[i%len(sig)]++
		return f.envelope().seal(input + "." + b64(sig))
	}},
	{"encrypted, signature inside wrong", badToken, auth.ReasonSignature, func(f *forger, i int) string {
		input, sig := f.parts(f.pick(encrypting...))
		sig[i%len(sig)]++
		return f.envelope().seal(input + "." + b64(sig))
	}},
	{"encrypted, none inside", badToken, auth.ReasonAlgorithm, func(f *forger, i int) string {
		s := f.pick(encrypting...)
		alg := []string{"none", "None", "NONE", "nOnE"}[i%4]
		return f.envelope().seal(b64([]byte(header(alg))) + "." + b64([]byte(f.claims(s))) + ".")
	}},
	{"encrypted twice", noToken, auth.ReasonMalformed, func(f *forger, _ int) string {
		return f.envelope().seal(f.envelope().seal(f.inner()))
	}},
	{"encrypted, and no token inside", noToken, auth.ReasonMalformed, func(f *forger, i int) string {
		s := f.pick(encrypting...)
		claims := f.claims(s)
		return f.envelope().seal([]string{
			"", "x", claims, quote(claims), b64([]byte(claims)), "..", "e30.e30", "." + b64([]byte(claims)) + ".", s.secret + "x", f.inner() + ".", "null",
			"\x00", string(f.bytes(100)), strings.Repeat("A", 5000), "Bearer " + f.inner(), "\n" + f.inner(), " " + f.inner(), `{"payload":""}`, "....", "[]",
		}[i%20])
	}},
	{"JWE RSA1_5", noToken, auth.ReasonUndecryptable, wrapped("RSA1_5", "", func(f *forger, key []byte) []byte {
		out, err := rsa.EncryptPKCS1v15(rand.Reader, f.to, key) //nolint:staticcheck // it is what must be refused
		if err != nil {
			panic(err)
		}
		return out
	})},
	{"JWE RSA-OAEP with another hash", noToken, auth.ReasonUndecryptable, enveloped(func(f *forger, i int, e *envelope) {
		switch i % 4 {
		case 0: // SHA-256 under the name of SHA-1
			e.hash = sha256.New()
		case 1:
			e.header = f.jweHeader("RSA-OAEP-256", e.enc)
		case 2:
			e.header, e.hash = f.jweHeader("RSA-OAEP-512", e.enc), sha512.New()
		case 3:
			e.header, e.hash = f.jweHeader("RSA-OAEP-384", e.enc), sha512.New384()
		}
	})},
	{"JWE dir", noToken, auth.ReasonUndecryptable, enveloped(func(f *forger, i int, e *envelope) {
		s := f.pick("JWE HS256")
		e.enc, e.header = "A256GCM", f.jweHeader("dir", "A256GCM")
		e.key = [][]byte{decodedSecret(s), []byte(s.secret)[:32], make([]byte, 32), f.to.N.Bytes()[:32]}[i%4]
		e.wrap = func([]byte) []byte { return nil }
	})},
	{"JWE A256KW", noToken, auth.ReasonUndecryptable, wrapped("A256KW", "", func(f *forger, key []byte) []byte {
		return keyWrap(decodedSecret(f.apps["JWE HS256"]), key)
	})},
	{"JWE ECDH-ES and GCMKW", noToken, auth.ReasonUndecryptable, enveloped(func(f *forger, i int, e *envelope) {
		algs := []string{"ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A256KW", "A128GCMKW", "A256GCMKW", "none", "", "HS256", "RS256", "rsa-oaep"}
		e.header = f.jweHeader(algs[i%len(algs)], e.enc,
			`,"epk":{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"},"iv":"AAAAAAAAAAAAAAAA","tag":"AAAAAAAAAAAAAAAAAAAAAA"`)
		e.wrap = func(key []byte) []byte { return f.bytes(len(key) + 8) }
	})},
	{"JWE PBES2 with a huge count", noToken, auth.ReasonUndecryptable, enveloped(func(f *forger, i int, e *envelope) {
		alg := []string{"PBES2-HS256+A128KW", "PBES2-HS384+A192KW", "PBES2-HS512+A256KW"}[i%3]
		count := []string{"2147483647", "1e18", "1000000000", "4294967296", "9999999"}[i%5]
		e.header = f.jweHeader(alg, e.enc, `,"p2s":"AAAAAAAAAAA","p2c":`+count)
		e.wrap = func(key []byte) []byte { return f.bytes(len(key) + 8) }
	})},
	{"JWE wrong kid", noToken, auth.ReasonUndecryptable, enveloped(func(f *forger, i int, e *envelope) {
		kids := []string{
			`""`, `"x"`, `null`, `1`, `["` + f.kid + `"]`, quote(f.kid + " "), quote(" " + f.kid), quote(strings.ToLower(f.kid)), quote(f.kid[1:]), quote(f.kid + "\x00"),
			`"../../etc/passwd"`, quote(f.kid + "="), `"' OR '1'='1"`, `"http://` + keyServer + `/"`, `true`, `{}`, quote(f.apps["JWE HS256"].id), `"0"`, `"*"`,
		}
		e.header = fmt.Sprintf(`{"alg":"RSA-OAEP","enc":%q,"kid":%s}`, e.enc, kids[i%len(kids)])
		if i == 19 {
			e.header = fmt.Sprintf(`{"alg":"RSA-OAEP","enc":%q,"KID":%q}`, e.enc, f.kid)
		}
	})},
	{"JWE to another key", noToken, auth.ReasonUndecryptable, enveloped(func(f *forger, i int, e *envelope) {
		stranger := &rsaKey(2048, 98+i%2).PublicKey
		e.to = stranger
		if i%4 > 1 {
			e.header = f.jweHeader("RSA-OAEP", e.enc, `,"jwk":`+publicJWK(stranger))
		}
	})},
	{"JWE jku and x5u", noToken, auth.ReasonUndecryptable, enveloped(func(f *forger, i int, e *envelope) {
		e.to = &rsaKey(2048, 99).PublicKey
		e.header = f.jweHeader("RSA-OAEP", e.enc, ","+keyURLs([]string{"jku", "x5u"}[i%2])(f, i/2))
	})},
	{"JWE content encryption not supported", noToken, auth.ReasonUndecryptable, enveloped(func(f *forger, i int, e *envelope) {
		e.enc = []string{"A192GCM", "A192CBC-HS384", "A256CBC-HS512"}[i%3]
		e.header = f.jweHeader("RSA-OAEP", e.enc)
	})},
	{"JWE content encryption in another spelling", noToken, auth.ReasonUndecryptable, enveloped(func(f *forger, i int, e *envelope) {
		encs := []string{"a256gcm", "A256GCM ", "", "none", "A256", "A512GCM", "AES256", "A128CBC", "A128CBC_HS256", "C20P", "XC20P", "dir"}
		e.header = f.jweHeader("RSA-OAEP", encs[i%len(encs)])
	})},
	{"JWE content encryption of another size", noToken, auth.ReasonUndecryptable, enveloped(func(f *forger, i int, e *envelope) {
		e.enc = []string{"A128GCM", "A256GCM", "A128CBC-HS256"}[i%3]
		e.header = f.jweHeader("RSA-OAEP", []string{"A256GCM", "A128CBC-HS256", "A128GCM"}[i%3])
	})},
	{"JWE tampered tag", noToken, auth.ReasonUndecryptable, tampered(4, spoil)},
	{"JWE tampered iv", noToken, auth.ReasonUndecryptable, tampered(2, spoil)},
	{"JWE tampered ciphertext", noToken, auth.ReasonUndecryptable, tampered(3, spoil)},
	{"JWE tampered encrypted key", noToken, auth.ReasonUndecryptable, tampered(1, spoil)},
	{"JWE tampered header", noToken, auth.ReasonUndecryptable, tampered(0, func(_ *forger, i int, raw []byte) []byte {
		return []byte(strings.TrimSuffix(string(raw), "}") + fmt.Sprintf(`,"x":%d}`, i))
	})},
	{"JWE tag and ciphertext parted elsewhere", noToken, auth.ReasonUndecryptable, func(f *forger, i int) string {
		parts := strings.Split(f.envelope().seal(f.inner()), ".")
		text, tag := unb64(parts[3]), unb64(parts[4])
		cut := 1 + i
		parts[3], parts[4] = b64(text[:len(text)-cut]), b64(append(text[len(text)-cut:], tag...))
		return strings.Join(parts, ".")
	}},
	{"JWE zip", noToken, auth.ReasonUndecryptable, enveloped(func(f *forger, i int, e *envelope) {
		more := []string{`,"zip":"DEF"`, `,"zip":"def"`, `,"zip":"GZIP"`, `,"zip":""`, `,"zip":null`}[i%5]
		e.header, e.zip = f.jweHeader("RSA-OAEP", e.enc, more), i%5 < 2
	})},
	{"JWE zip bomb", noToken, auth.ReasonUndecryptable, func(f *forger, i int) string {
		e := f.envelope()
		e.header, e.zip = f.jweHeader("RSA-OAEP", e.enc, `,"zip":"DEF"`), true
		return e.seal(f.inner() + strings.Repeat("\x00", 1<<20+i))
	}},
	{"JWE crit", noToken, auth.ReasonUndecryptable, jweHeaded(`"crit":["x"],"x":1`, `"crit":[]`, `"crit":["kid"]`, `"crit":["exp"],"exp":1`, `"crit":"x"`,
		`"crit":["b64"],"b64":true`, `"crit":[1]`, `"crit":{}`)},
	{"JWE header with a key twice", noToken, auth.ReasonUndecryptable, jweHeaded(`"alg":"RSA-OAEP"`, `"alg":"dir"`, `"enc":"A128GCM"`, `"kid":"x"`,
		`"x":1,"x":1`, `"\u0061lg":"dir"`)},
	{"JWE header that is no JSON object", noToken, auth.ReasonMalformed, enveloped(func(_ *forger, i int, e *envelope) { e.header = noObject(e.header, i) })},
	{"JWE spelt otherwise", noToken, auth.ReasonMalformed, func(f *forger, i int) string {
		token := f.envelope().seal(f.inner())
		p := strings.Split(token, ".")
		full, err := json.Marshal(map[string]string{"protected": p[0], "encrypted_key": p[1], "iv": p[2], "ciphertext": p[3], "tag": p[4]})
		if err != nil {
			panic(err)
		}
		return []string{
			string(full), token + "=", strings.Replace(token, ".", "=.", 2), token + ".", "Bearer " + token, strings.Replace(token, ".", ". ", 1),
			strings.Join(p[:4], "."), base64.StdEncoding.EncodeToString(unb64(p[0])) + "+/." + strings.Join(p[1:], "."),
		}[i%8]
	}},
}
