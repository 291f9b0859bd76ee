package publicapi_test

import (
	"bytes"
	"compress/flate"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"hash"
	"math/big"
	"strings"
	"sync"
)

// The tools of a forger, by hand and from the standard library alone: what
// makes the tokens shares nothing with what reads them, and can do all that a
// library would refuse.

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func unb64(text string) []byte {
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		panic(err)
	}
	return b
}

// hashOf is the hash of an algorithm: HS256 and RS256 have the same.
func hashOf(alg string) crypto.Hash {
	return map[string]crypto.Hash{"256": crypto.SHA256, "384": crypto.SHA384, "512": crypto.SHA512}[alg[len(alg)-3:]]
}

func digest(h crypto.Hash, text string) []byte {
	d := h.New()
	d.Write([]byte(text))
	return d.Sum(nil)
}

func mac(h crypto.Hash, key []byte, text string) []byte {
	m := hmac.New(h.New, key)
	m.Write([]byte(text))
	return m.Sum(nil)
}

func rsaSign(h crypto.Hash, key *rsa.PrivateKey, text string) []byte {
	sig, err := rsa.SignPKCS1v15(nil, key, h, digest(h, text))
	if err != nil {
		panic(err)
	}
	return sig
}

// rsaKey makes keys, each once: they cost time.
var rsaKey = func() func(bits, n int) *rsa.PrivateKey {
	var mu sync.Mutex
	made := map[[2]int]*rsa.PrivateKey{}
	return func(bits, n int) *rsa.PrivateKey {
		mu.Lock()
		defer mu.Unlock()
		key := made[[2]int{bits, n}]
		if key == nil {
			var err error
			if key, err = rsa.GenerateKey(rand.Reader, bits); err != nil {
				panic(err)
			}
			made[[2]int{bits, n}] = key
		}
		return key
	}
}()

// The forms in which everybody can have a public key.
func publicPEM(key *rsa.PublicKey) []byte {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		panic(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

func publicJWK(key *rsa.PublicKey) string {
	return fmt.Sprintf(`{"kty":"RSA","n":%q,"e":%q}`, b64(key.N.Bytes()), b64(big.NewInt(int64(key.E)).Bytes()))
}

func publicForms(key *rsa.PublicKey) [][]byte {
	pkix, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		panic(err)
	}
	pkcs1 := x509.MarshalPKCS1PublicKey(key)
	text := publicPEM(key)
	text1 := pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: pkcs1})
	return [][]byte{
		text, bytes.TrimSpace(text), bytes.ReplaceAll(text, []byte("\n"), []byte("\r\n")), text1, bytes.TrimSpace(text1),
		pkix, pkcs1, []byte(base64.StdEncoding.EncodeToString(pkix)), []byte(publicJWK(key)), key.N.Bytes(),
	}
}

// envelope says how a token is encrypted.
type envelope struct {
	header string         // JSON
	to     *rsa.PublicKey // of RSA-OAEP
	hash   hash.Hash      // of RSA-OAEP; nil for SHA-1
	enc    string
	key    []byte                  // the content's key, nil for a random one
	wrap   func(key []byte) []byte // in place of RSA-OAEP
	zip    bool
}

// seal encrypts a text as a compact JWE (RFC 7516, section 5.1).
func (e envelope) seal(plain string) string {
	size := map[string]int{
		"A128GCM": 16, "A192GCM": 24, "A256GCM": 32,
		"A128CBC-HS256": 32, "A192CBC-HS384": 48, "A256CBC-HS512": 64,
	}[e.enc]
	key := e.key
	if key == nil {
		key = random(size)
	}
	var wrapped []byte
	if e.wrap != nil {
		wrapped = e.wrap(key)
	} else {
		h := e.hash
		if h == nil {
			h = sha1.New()
		}
		var err error
		if wrapped, err = rsa.EncryptOAEP(h, rand.Reader, e.to, key, nil); err != nil {
			panic(err)
		}
	}
	text := []byte(plain)
	if e.zip {
		text = deflate(text)
	}
	aad := b64([]byte(e.header))
	encrypt := sealGCM
	if strings.Contains(e.enc, "CBC") {
		encrypt = sealCBC
	}
	nonce, sealed, tag := encrypt(key, []byte(aad), text)
	return strings.Join([]string{aad, b64(wrapped), b64(nonce), b64(sealed), b64(tag)}, ".")
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

func deflate(text []byte) []byte {
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, flate.BestCompression)
	if err != nil {
		panic(err)
	}
	w.Write(text)
	w.Close()
	return out.Bytes()
}

func sealGCM(key, aad, text []byte) (nonce, sealed, tag []byte) {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	nonce = random(12)
	out := gcm.Seal(nil, nonce, text, aad)
	return nonce, out[:len(out)-16], out[len(out)-16:]
}

// sealCBC is RFC 7518, section 5.2: the first half of the key is for the HMAC.
func sealCBC(key, aad, text []byte) (iv, sealed, tag []byte) {
	half := len(key) / 2
	block, err := aes.NewCipher(key[half:])
	if err != nil {
		panic(err)
	}
	pad := 16 - len(text)%16
	sealed = append(bytes.Clone(text), bytes.Repeat([]byte{byte(pad)}, pad)...)
	iv = random(16)
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(sealed, sealed)
	m := hmac.New(map[int]func() hash.Hash{16: sha256.New, 24: sha512.New384, 32: sha512.New}[half], key[:half])
	for _, part := range [][]byte{aad, iv, sealed, binary.BigEndian.AppendUint64(nil, uint64(len(aad))*8)} {
		m.Write(part)
	}
	return iv, sealed, m.Sum(nil)[:half]
}

// platformKey is the platform's public key, read from its JWK by hand.
func platformKey(jwk []byte) (kid string, public *rsa.PublicKey) {
	var k struct{ Kid, N, E string }
	if err := json.Unmarshal(jwk, &k); err != nil {
		panic(err)
	}
	return k.Kid, &rsa.PublicKey{
		N: new(big.Int).SetBytes(unb64(k.N)),
		E: int(new(big.Int).SetBytes(unb64(k.E)).Int64()),
	}
}
