package publicapi_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"unicode/utf16"

	"roster/internal/auth"
)

// alphabet of base64url, by value.
const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// respelled is a good token that somebody writes in another way. It is sent as
// it is, without an envelope: apps with Enforce JWE are tried too, since the
// form comes first.
func respelled(change func(f *forger, i int, token string) string) func(*forger, int) string {
	return func(f *forger, i int) string {
		s := f.pick()
		return change(f, i, s.sign(header(s.alg), f.claims(s)))
	}
}

// Tokens that are none, or not spelt as they should be.
var formClasses = []class{
	{"base64 with bits behind the signature", badToken, auth.ReasonSignature, func(f *forger, i int) string {
		s := f.pick() // 32, 64 and 256 bytes all leave bits over
		token := s.sign(header(s.alg), f.claims(s))
		last := strings.IndexByte(alphabet, token[len(token)-1])
		return f.wrap(s, token[:len(token)-1]+string(alphabet[last|1+i%3]))
	}},
	{"signature with more behind it", badToken, auth.ReasonSignature, func(f *forger, i int) string {
		s := f.pick()
		more := []string{"1", "12", "123", "1234", "=", "==", "+", "/", "~", "%20"}[i%10]
		return f.wrap(s, s.sign(header(s.alg), f.claims(s))+more)
	}},
	{"base64 with padding", noToken, auth.ReasonMalformed, respelled(func(f *forger, i int, token string) string {
		return strings.Replace(token, ".", "=.", 1+i%2)
	})},
	{"base64 in the standard alphabet", noToken, auth.ReasonMalformed, func(f *forger, _ int) string {
		s := f.pick()
		return f.wrap(s, "+/"+s.sign(header(s.alg), f.claims(s)))
	}},
	{"blanks and line breaks inside", noToken, auth.ReasonMalformed, func(f *forger, i int) string {
		s := f.pick()
		token := s.sign(header(s.alg), f.claims(s))
		at := 1 + f.rand.IntN(strings.LastIndex(token, ".")-1)
		if i%2 == 0 { // a line break cannot stand in a header, but inside an encrypted token it can
			s = f.apps["JWE HS256"]
			return f.wrap(s, token[:at]+[]string{"\n", "\r\n", "\r", "\x00", "\u0085"}[i/2%5]+token[at:])
		}
		return f.wrap(s, token[:at]+[]string{" ", "\t", "%0a", "%20", "\u00a0"}[i/2%5]+token[at:])
	}},
	{"more or fewer than three parts", noToken, auth.ReasonMalformed, respelled(func(f *forger, i int, token string) string {
		parts := strings.Split(token, ".")
		return []string{
			parts[0], parts[0] + "." + parts[1], token + ".", "." + token, token + "." + parts[2], token + "." + token, strings.Join(parts, ""),
			strings.Join(parts, "..."), token + strings.Repeat(".e30", 3), strings.Repeat(".", 1+i), token + strings.Repeat(".", 4), parts[2] + "." + parts[1],
			strings.Join(parts, ","), strings.Join(parts, "。"), token + ".~", token + ";" + token, token + ", " + token, parts[1], parts[2], "e30.e30",
		}[i%20]
	})},
	{"JSON in place of the compact form", noToken, auth.ReasonMalformed, respelled(func(f *forger, i int, token string) string {
		p := strings.Split(token, ".")
		return []string{
			fmt.Sprintf(`{"payload":%q,"protected":%q,"signature":%q}`, p[1], p[0], p[2]),
			fmt.Sprintf(`{"payload":%q,"signatures":[{"protected":%q,"signature":%q}]}`, p[1], p[0], p[2]),
			fmt.Sprintf(`{"payload":%q,"header":{"alg":"none"},"signature":""}`, p[1]),
			fmt.Sprintf(`{"payload":%q,"signatures":[]}`, p[1]),
			fmt.Sprintf(`[%q]`, token), fmt.Sprintf(`%q`, token), fmt.Sprintf(`{"token":%q}`, token), fmt.Sprintf(`{"auth":%q}`, token),
		}[i%8]
	})},
	{"Bearer, Basic and the like in front", noToken, auth.ReasonMalformed, respelled(func(f *forger, i int, token string) string {
		return []string{"Bearer ", "bearer ", "BEARER ", "Basic ", "JWT ", "Token ", "Bearer:", "auth ", "auth=", "jwt=", "DPoP ", "Bearer\t", "\"", "'", "<"}[i%15] + token
	})},
	{"huge tokens", noToken, auth.ReasonMalformed, func(f *forger, i int) string {
		s := f.pick()
		return s.sign(header(s.alg), f.claims(s, fmt.Sprintf(`,"x":%q`, strings.Repeat("x", 12<<10+i*1500))))
	}},
	{"claims that are no JSON object", noToken, auth.ReasonMalformed, func(f *forger, i int) string {
		s := f.pick()
		return f.wrap(s, s.sign(header(s.alg), noObject(f.claims(s), i)))
	}},
	{"header that is no JSON object", noToken, auth.ReasonMalformed, func(f *forger, i int) string {
		s := f.pick()
		return f.wrap(s, s.sign(noObject(header(s.alg), i), f.claims(s)))
	}},
	{"compressed claims", noToken, auth.ReasonMalformed, func(f *forger, i int) string {
		s := f.pick()
		more := []string{"", `,"zip":"DEF"`, `,"zip":"GZ"`}[i%3]
		return f.wrap(s, s.sign(header(s.alg, more), string(deflate([]byte(f.claims(s))))))
	}},
	{"no token", badToken, auth.ReasonNoToken, func(_ *forger, i int) string { return strings.Repeat(" ", i) + strings.Repeat("\t", i%3) }},
	{"words", noToken, auth.ReasonMalformed, func(f *forger, i int) string {
		s := f.pick(withSecret...)
		return []string{
			s.secret, s.id, "null", "undefined", "[object Object]", "{}", "true", "0", "none", "a.b.c", "...", "eyJ", "*", "' OR 1=1 --", "../../etc/passwd",
			"%s%n", "${jndi:ldap://" + keyServer + "/a}", "<script>", base64.StdEncoding.EncodeToString([]byte(s.id + ":" + s.secret)), s.id + ":" + s.secret,
		}[i%20]
	}},
}

// noObject spoils a JSON object.
func noObject(object string, i int) string {
	var utf []byte
	for _, unit := range utf16.Encode([]rune(object)) {
		utf = append(utf, byte(unit), byte(unit>>8))
	}
	return []string{
		"[" + object + "]", quote(object), "null", "1", "true", `""`, "[]", "\ufeff" + object, string(utf), object + object, object + "x", object + ",", "x" + object,
		strings.TrimSuffix(object, "}"), strings.Replace(object, `"`, `'`, 4), "/**/" + object, strings.Replace(object, "{", "{,", 1), "\x00" + object,
		object + "\x00", strings.Replace(object, ":", "=", 1),
	}[i%20]
}
