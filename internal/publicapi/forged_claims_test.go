package publicapi_test

import (
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"math/big"
	"strings"

	"roster/internal/auth"
)

// headedRightly is a token with more keys in its header, signed rightly.
func headedRightly(more ...string) func(*forger, int) string {
	return func(f *forger, i int) string {
		s := f.pick()
		return f.wrap(s, s.sign(header(s.alg, ","+more[i%len(more)]), f.claims(s)))
	}
}

// headedByStranger is a token with more keys in its header, signed with the
// forger's own key, to which they should lead.
func headedByStranger(more func(f *forger, i int) string) func(*forger, int) string {
	return func(f *forger, i int) string {
		s := f.pick()
		stranger := s
		stranger.secret = strings.Repeat("A", 44)
		if s.key != nil {
			stranger.key = rsaKey(2048, 99)
		}
		return f.wrap(s, stranger.sign(header(s.alg, ","+more(f, i)), f.claims(s)))
	}
}

func listed(texts ...string) func(*forger, int) string {
	return func(_ *forger, i int) string { return texts[i%len(texts)] }
}

// keyURLs are places where the forger's key would be.
func keyURLs(name string) func(*forger, int) string {
	return func(_ *forger, i int) string {
		places := []string{
			"http://" + keyServer + "/jwks.json", "https://" + keyServer + "/", "http://keys.example.com/jwks.json", "//" + keyServer + "/x",
			"file:///etc/passwd", "http://[::ffff:127.0.0.1]/k", "ftp://" + keyServer, "data:application/json,{}", keyServer, "http://localhost/",
		}
		return fmt.Sprintf(`"%s":%s`, name, quote(places[i%len(places)]))
	}
}

// Headers that ask for more than an algorithm.
var headerClasses = []class{
	{"embedded jwk, RSA", badToken, auth.ReasonSignature, func(f *forger, i int) string {
		s := f.pick(withKey...)
		s.key = rsaKey(2048, 98+i%2)
		return f.wrap(s, s.sign(header(s.alg, `,"jwk":`+publicJWK(&s.key.PublicKey)), f.claims(s)))
	}},
	{"embedded jwk, symmetric", badToken, auth.ReasonAlgorithm, func(f *forger, _ int) string {
		s := f.pick(withSecret...)
		key := f.bytes(32)
		s.secret = string(key)
		return f.wrap(s, s.sign(header(s.alg, fmt.Sprintf(`,"jwk":{"kty":"oct","k":%q}`, b64(key))), f.claims(s)))
	}},
	{"jku", badToken, auth.ReasonSignature, headedByStranger(keyURLs("jku"))},
	{"x5u", badToken, auth.ReasonSignature, headedByStranger(keyURLs("x5u"))},
	{"x5c", badToken, auth.ReasonSignature, headedByStranger(func(_ *forger, i int) string {
		return fmt.Sprintf(`"x5c":[%q]`, base64.StdEncoding.EncodeToString(certificate(i)))
	})},
	{"kid games", badToken, auth.ReasonSignature, headedByStranger(listed(`"kid":"../../../../dev/null"`, `"kid":"/dev/null"`, `"kid":""`,
		`"kid":"' UNION SELECT 'x' --"`, `"kid":"1"`, `"kid":"0"`, `"kid":"-1"`, `"kid":"1 OR 1=1"`, `"kid":"| whoami"`, `"kid":"$(id)"`,
		`"kid":"key.pem\u0000"`, `"kid":"http://`+keyServer+`/"`, `"kid":"cs-1"`, `"kid":"AAAA"`, `"kid":"file:///proc/self/environ"`,
		`"kid":"*"`, `"kid":"%00"`, `"kid":"\\\\host\\share"`, `"kid":"{{7*7}}"`, `"kid":"localhost"`))},
	{"kid that is no text", badToken, auth.ReasonAlgorithm, headedByStranger(listed(`"kid":0`, `"kid":1`, `"kid":["a"]`, `"kid":{"a":1}`, `"kid":true`))},
	{"crit", badToken, auth.ReasonAlgorithm, headedRightly(`"crit":["x"],"x":1`, `"crit":["exp"],"exp":1`, `"crit":[]`, `"crit":null`, `"crit":"x"`,
		`"crit":{"x":1}`, `"crit":["alg"]`, `"crit":["crit"]`, `"crit":["x","b64"],"x":1,"b64":true`, `"crit":[1]`, `"crit":[""]`, `"crit":[null]`,
		`"crit":["http://example.com/UNDEFINED"],"http://example.com/UNDEFINED":true`, `"crit":0`, `"crit":false`, `"crit":["kid"],"kid":"1"`,
		`"crit":["typ"]`, `"crit":["x","x"],"x":1`, `"crit":["y"]`, `"crit":[["x"]],"x":1`)},
	{"b64", badToken, auth.ReasonAlgorithm, func(f *forger, i int) string {
		s := f.pick()
		more := []string{`"crit":["b64"],"b64":false`, `"crit":["b64"],"b64":true`, `"b64":false`, `"b64":true`, `"b64":null`, `"b64":"false"`, `"b64":0`}[i%7]
		head, claims := b64([]byte(header(s.alg, ","+more))), f.claims(s)
		if i%2 == 0 { // over the payload as it is, as RFC 7797 wants it
			return f.wrap(s, head+"."+b64([]byte(claims))+"."+b64(s.signature(s.alg, head+"."+claims)))
		}
		return f.wrap(s, head+"."+b64([]byte(claims))+"."+b64(s.signature(s.alg, head+"."+b64([]byte(claims)))))
	}},
	{"zip", badToken, auth.ReasonAlgorithm, headedRightly(`"zip":"DEF"`, `"zip":"def"`, `"zip":"GZIP"`, `"zip":""`, `"zip":null`, `"zip":true`, `"zip":["DEF"]`)},
	{"header with a key twice", badToken, auth.ReasonAlgorithm, headedRightly(`"alg":"none"`, `"alg":"HS256"`, `"alg":"RS256"`, `"alg":null`,
		`"typ":"JWT"`, `"kid":"1","kid":"2"`, `"x":1,"x":1`, `"x":{"y":1,"y":2}`, `"\u0061lg":"none"`, `"a\u006cg":"HS512"`)},
}

func certificate(n int) []byte {
	key := rsaKey(2048, 99)
	template := &x509.Certificate{SerialNumber: big.NewInt(int64(n + 1))}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	return der
}

// goodOf is a good token of an app, unfit for another reason.
func goodOf(app string) func(*forger, int) string {
	return func(f *forger, _ int) string { return f.good(f.apps[app]) }
}

// naming is a token of just these claims; $ID stands for the client id.
func naming(claims ...string) func(*forger, int) string {
	return func(f *forger, i int) string {
		s := f.pick()
		return f.wrap(s, s.sign(header(s.alg), strings.ReplaceAll(claims[i%len(claims)], "$ID", s.id)))
	}
}

// wrongScopes are near the right one.
var wrongScopes = []string{
	"user_management:user_managemen", "ser_management:user_management", "user_management", "user_management:", ":user_management",
	"USER_MANAGEMENT:USER_MANAGEMENT", "User_Management:User_Management", "user_management:user_management ", " user_management:user_management",
	"user_management:user_management\t", "user_management:user_management:", "user_management:user_managements", "user_management.user_management",
	"user_management:*", "*", "*:*", "User Management > User Management", "user_management user_management", "user_management:user_management,x",
	"user_management:user_m\u0430nagement",
}

// Apps that may not call, or not as they are named.
var appClasses = []class{
	{"another app's secret", badToken, auth.ReasonSignature, hmacKeyed(func(f *forger, _ int, s signer) []byte {
		other := f.pick("other app", "scopeless", "Bot Builder", "disabled")
		return []byte(other.secret)
	})},
	{"another account's app", badToken, auth.ReasonSignature, func(f *forger, i int) string {
		s, theirs := f.pick(withSecret...), f.apps["theirs"]
		theirs.alg = s.alg
		extra := []string{`,"iss":%q`, `,"kore_iss":%q`, `,"kore_iss":%[1]q,"iss":%[1]q`, `,"sub":%q`}[i%4]
		return f.wrap(s, theirs.sign(header(s.alg), f.claims(s, fmt.Sprintf(extra, theirs.id))))
	}},
	{"retired secret", badToken, auth.ReasonSignature, goodOf("retired")},
	{"disabled app", badToken, auth.ReasonAppDisabled, goodOf("disabled")},
	{"deleted app", badToken, auth.ReasonAppDeleted, goodOf("deleted")},
	{"disabled app, and its token is expired", badToken, auth.ReasonAppDisabled, func(f *forger, i int) string {
		s := f.apps["disabled"]
		return s.sign(header(s.alg), f.claims(s, fmt.Sprintf(`,"exp":%d`, i)))
	}},
	{"unknown app", badToken, auth.ReasonUnknownApp, func(f *forger, i int) string {
		s := f.pick(withSecret...)
		ids := []string{
			strings.ToUpper(s.id), s.id + " ", " " + s.id, s.id[3:], s.id + "x", s.id[:len(s.id)-1], "cs-" + s.id, "cs-00000000-0000-4000-8000-000000000000",
			"%", "cs-%", "_", "*", "'", "' OR '1'='1", s.name, f.account, "null", strings.Repeat("c", 5000), "\ufffd", "st-" + s.id[3:],
		}
		claims := strings.Replace(f.claims(s), quote(s.id), quote(ids[i%len(ids)]), 1)
		return f.wrap(s, s.sign(header(s.alg), claims))
	}},
	{"no app named", badToken, auth.ReasonNoApp, naming(`{}`, `{"appid":"$ID"}`, `{"APPID":"$ID"}`, `{"AppId":"$ID"}`, `{"app_id":"$ID"}`, `{"clientId":"$ID"}`,
		`{"sub":"$ID"}`, `{"aud":"$ID"}`, `{"appId":""}`, `{"appId":null}`, `{"appId":7,"iss":"$ID"}`, `{"appId":["$ID"],"iss":"$ID"}`,
		`{"appId":{"$ID":1}}`, `{"appId":true}`, `{"appId":"$ID\u0000"}`, `{"appId":"\n$ID"}`, `{"kore_iss":["$ID"]}`, `{"iss":1}`, `{"Iss":"$ID"}`, `{" appId":"$ID"}`)},
	{"Bot Builder app", badScope, auth.ReasonBotBuilder, goodOf("Bot Builder")},
	{"scope missing", badScope, auth.ReasonScope, goodOf("scopeless")},
	{"scope in another spelling, cut or extended", badScope, auth.ReasonScope, func(f *forger, i int) string {
		return f.good(f.apps[fmt.Sprintf("scope %d", i%len(wrongScopes))])
	}},
}

// claimed is a good token of one of the apps but for these further claims.
func claimed(apps []string, claims ...string) func(*forger, int) string {
	return func(f *forger, i int) string {
		s := f.pick(apps...)
		s.needs = ""
		return f.wrap(s, s.sign(header(s.alg), f.claims(s, claims[i%len(claims)])))
	}
}

// within are claims with times that depend on the count; $ stands for noon plus
// or minus what of returns, in seconds.
func within(apps []string, of func(i int) float64, claims ...string) func(*forger, int) string {
	return func(f *forger, i int) string {
		text := strings.ReplaceAll(claims[i%len(claims)], "$", fmt.Sprintf("%.2f", noon+of(i)))
		return claimed(apps, text)(f, i)
	}
}

// plain are the apps that demand nothing of the claims.
var plain = []string{"HS256", "HS512", "RS256", "RS512", "JWE HS256", "JWE RS256"}

// Claims that are wrong under a signature that is right.
var claimClasses = []class{
	{"expired", expired, auth.ReasonExpired, within(nil, func(i int) float64 { return -60.5 - float64(i*i*i) },
		`,"exp":$`, `,"exp":$,"jti":"x"`, `,"exp":$,"nbf":1e10`, `,"exp":$,"iat":1e10`)},
	{"not yet valid", notActive, auth.ReasonNotActive, within(plain, func(i int) float64 { return 60.5 + float64(i*i*i) },
		`,"nbf":$`, `,"nbf":$,"iat":1`, `,"nbf":$,"exp":1e11`, `,"nbf":$,"exp":1e11,"jti":"x"`)},
	{"jti without exp", noExpiry, auth.ReasonNoExpiry, claimed(append([]string{"enforce JTI"}, plain...),
		`,"jti":"x"`, `,"kore_jti":"x"`, `,"jti":"x","exp":null`, `,"jti":"","kore_jti":"x"`, `,"jti":null,"kore_jti":"x","iat":1`)},
	{"jti and more than an hour", jtiLifetime, auth.ReasonJTILifetime, func(f *forger, i int) string {
		s := f.pick()
		s.needs = ""
		more := []string{
			fmt.Sprintf(`,"jti":"x","exp":%.2f`, noon+3660.5+float64(i*i)),           // from now on, by a clock that may be ahead
			fmt.Sprintf(`,"jti":"x","iat":%d,"exp":%d`, noon, noon+3661+i*i),         // from its iat on
			fmt.Sprintf(`,"kore_jti":"x","iat":%d,"exp":%d`, noon-3601, noon+60+i*i), // that of long ago
			fmt.Sprintf(`,"jti":"x","iat":%d,"exp":1e300`, noon),                     // for ever
			fmt.Sprintf(`,"jti":"x","iat":-1e300,"exp":%d`, noon+3661),               // an iat that is ignored
			fmt.Sprintf(`,"jti":"x","iat":%d.5,"exp":%d.75`, noon-i, noon-i+3660),    // by a quarter of a second
			fmt.Sprintf(`,"jti":"x","iat":%d,"exp":%[1]d`, (noon+3661)*1000),         // milliseconds
		}
		return f.wrap(s, s.sign(header(s.alg), f.claims(s, more[i%len(more)])))
	}},
	{"jti used before", replayed, auth.ReasonReplayed, func(f *forger, i int) string {
		return f.once(f.pick(), []string{`,"jti":"spent"`, `,"kore_jti":"spent"`, `,"jti":"spent","kore_jti":"x"`, `,"jti":"\u0073pent"`}[i%4])
	}},
	{"jti enforced and missing", noJTI, auth.ReasonNoJTI, claimed([]string{"enforce JTI"},
		``, `,"jti":""`, `,"jti":null`, `,"JTI":"x"`, `,"Jti":"x"`, `,"jti":"","kore_jti":""`, `,"exp":1900000000`, `,"kore_jti":null`, `,"jti ":"x"`, `,"koreJti":"x"`)},
	{"must expire, and no exp", noExpiry, auth.ReasonNoExpiry, claimed([]string{"must expire"},
		``, `,"exp":null`, `,"exp":5e9`, `,"exp":5e12`, `,"Exp":1900000000`, `,"EXP":1900000000`, `,"nbf":1`, `,"iat":1`, `,"expires":1900000000`, `,"exp ":1900000000`)},
	{"claims of a wrong type", noToken, auth.ReasonClaim, claimed(plain, `,"exp":"1900000000"`, `,"exp":true`, `,"exp":[1900000000]`, `,"exp":{}`, `,"nbf":"1"`,
		`,"nbf":false`, `,"exp":1e400`, `,"nbf":-1e400`, `,"jti":1`, `,"jti":["x"]`, `,"jti":{"x":1}`, `,"jti":true`, `,"jti":false`, `,"jti":0`, `,"kore_jti":7`,
		`,"exp":"never"`, `,"exp":""`, `,"nbf":{}`, `,"nbf":"2026-01-01T00:00:00Z"`, `,"exp":"1e99"`)},
	{"claims with a key twice", noToken, auth.ReasonMalformed, claimed(plain, `,"appId":"x"`, `,"exp":1,"exp":1900000000`, `,"jti":"a","jti":"b"`,
		`,"sub":"a","sub":"a"`, `,"x":{"y":1,"y":1}`, `,"\u0061ppId":"x"`, `,"x":[{"y":1,"y":2}]`, `,"iss":"a","iss":"b"`)},
	{"wrong signature on unfit claims or apps", badToken, auth.ReasonSignature, func(f *forger, i int) string {
		s := f.pick(append([]string{"Bot Builder", "scopeless"}, withSecret...)...)
		s.secret, s.needs = strings.Repeat("A", 44), ""
		unfit := []string{
			`,"exp":1`, `,"nbf":1e10`, `,"iat":1e10`, `,"jti":"x"`, `,"jti":"x","exp":1e11`, ``, `,"exp":"x"`, `,"jti":7`, `,"exp":1,"jti":"x"`, `,"kore_jti":"x"`,
		}
		return f.wrap(s, s.sign(header(s.alg), f.claims(s, unfit[i%len(unfit)])))
	}},
}
