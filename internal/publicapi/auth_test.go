package publicapi_test

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"roster/internal/directory"
	"roster/internal/rostertest"
	"roster/internal/storetest"
)

// noon is when the tests of times happen. The server's clock says so.
const noon = 1_800_000_000

// forge makes a token of a header and claims as they are given, signed with
// HMAC-SHA-256, or with an empty signature when there is no key.
func forge(header, claims, key string) string {
	b64 := base64.RawURLEncoding.EncodeToString
	text := b64([]byte(header)) + "." + b64([]byte(claims))
	if key == "" {
		return text + "."
	}
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(text))
	return text + "." + b64(mac.Sum(nil))
}

const hs256 = `{"alg":"HS256","typ":"JWT"}`

// with is a good token that has these claims besides, given as JSON.
func with(claims string) func(*world) string {
	return func(w *world) string {
		return forge(hs256, fmt.Sprintf(`{"appId":%q,%s}`, w.app.ClientID, claims), w.app.Secret)
	}
}

// claiming is a token with just these claims; %q stands for the client id.
func claiming(claims string) func(*world) string {
	return func(w *world) string {
		return forge(hs256, strings.ReplaceAll(claims, "%q", `"`+w.app.ClientID+`"`), w.app.Secret)
	}
}

// headed is a token whose header is given, signed with HS256 all the same.
func headed(header string) func(*world) string {
	return func(w *world) string {
		return forge(header, fmt.Sprintf(`{"appId":%q}`, w.app.ClientID), w.app.Secret)
	}
}

// unsigned is a token whose header is given and whose signature is empty.
func unsigned(header string) func(*world) string {
	return func(w *world) string { return forge(header, fmt.Sprintf(`{"appId":%q}`, w.app.ClientID), "") }
}

// signed is a token of another method than HS256.
func signed(method jwt.SigningMethod, key func(*world) any) func(*world) string {
	return func(w *world) string {
		return rostertest.Sign(method, key(w), jwt.MapClaims{"appId": w.app.ClientID})
	}
}

func secretOf(w *world) any { return []byte(w.app.Secret) }

// text is what stands in the header as it is.
func text(token string) func(*world) string { return func(*world) string { return token } }

// good is a row of a token that is taken, bad one of a token that is not.
func good(says string, token func(*world) string) row {
	return row{says: says, token: token, body: emails(ann), want: removed, gone: []string{ann}}
}

func bad(says string, token func(*world) string, want, why string) row {
	return row{says: says, token: token, body: emails(ann), status: http.StatusUnauthorized, want: want, why: why}
}

// Contract 2: what the header auth holds, and how it is signed.
func TestCredentials(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	decoded := func(w *world) any {
		raw, err := base64.StdEncoding.DecodeString(w.app.Secret)
		if err != nil || len(w.app.Secret) != 44 || len(raw) != 32 {
			w.T.Fatalf("a secret is not 32 bytes in 44 characters: %v", err)
		}
		return raw
	}
	appended := func(text string) func(*world) string {
		return func(w *world) string { return w.app.Token(nil) + text }
	}
	cut := func(w *world) string { return w.app.Token(nil)[:len(w.app.Token(nil))-3] }
	const otherAlg = "algorithm is not the app's"
	const noJWT = "malformed token"
	checkReading(t, rostertest.Options{}, []row{
		good("only the claim appId is needed", claiming(`{"appId":%q}`)),
		good("aud and sub grant nothing and refuse nothing", with(`"aud":["x"],"sub":7`)),
		good("the HMAC key is the 44 characters as text", signed(jwt.SigningMethodHS256, secretOf)),
		bad("not the decoded bytes", signed(jwt.SigningMethodHS256, decoded), badToken, "signature is wrong"),

		bad("no auth header", none, badToken, "no token"),
		{says: "an auth header without a token", token: none, header: header1("auth", " "), body: emails(ann), status: 401, want: badToken, why: "no token"},
		{says: "the token comes in auth, not in Authorization", header: header1("Authorization", "x"), token: none, body: emails(ann), status: 401, want: badToken},
		bad("bad signature: another secret", signed(jwt.SigningMethodHS256, func(w *world) any { return []byte(w.otherApp.Secret) }), badToken, "signature is wrong"),
		bad("bad signature: cut off", cut, badToken, "signature is wrong"),
		bad("bad signature: empty", unsigned(hs256), badToken, "signature is wrong"),
		bad("bad signature: a digit appended", appended("1"), badToken, "signature is wrong"),
		bad("bad signature: two digits appended", appended("23"), badToken, "signature is wrong"),
		bad("bad signature: no base64url", appended("+/="), badToken, "signature is wrong"),

		bad("the token's header never chooses: HS512", signed(jwt.SigningMethodHS512, secretOf), badToken, otherAlg),
		bad("the token's header never chooses: HS384", signed(jwt.SigningMethodHS384, secretOf), badToken, otherAlg),
		bad("the token's header never chooses: RS256", signed(jwt.SigningMethodRS256, func(*world) any { return key }), badToken, otherAlg),
		bad("the token's header never chooses: RS256 over an HMAC", headed(`{"alg":"RS256"}`), badToken, otherAlg),
		bad("the token's header never chooses: hs256", headed(`{"alg":"hs256"}`), badToken, otherAlg),
		bad("the token's header never chooses: a number", headed(`{"alg":256}`), badToken, ""),
		bad("the token's header never chooses: no alg", headed(`{"typ":"JWT"}`), badToken, ""),
		bad("the token's header never chooses: a key of its own", headed(`{"alg":"HS256","jwk":{"kty":"oct","k":"AAAA"}}`), badToken, ""),
		bad("an extension that we do not know", headed(`{"alg":"HS256","crit":["x"],"x":1}`), badToken, ""),
		bad("never none", unsigned(`{"alg":"none"}`), badToken, otherAlg),
		bad("never NONE", unsigned(`{"alg":"NONE"}`), badToken, otherAlg),
		bad("never nOnE with a signature", headed(`{"alg":"nOnE"}`), badToken, otherAlg),

		bad("not a JWT at all", text("x"), noToken, noJWT),
		bad("not a JWT: two parts", text("e30.e30"), noToken, noJWT),
		bad("not a JWT: four parts", text("e30.e30.e30.e30"), noToken, noJWT),
		bad("not a JWT: a JWE has five", text("e30.e30.e30.e30.e30"), noToken, noJWT),
		bad("not a JWT: no base64url", text("e30.e+0.e30"), noToken, noJWT),
		bad("not a JWT: a padded part", text("e30=.e30.e30"), noToken, noJWT),
		bad("not a JWT: the header is no JSON", text("eHh4.e30.e30"), noToken, noJWT),
		bad("not a JWT: the claims are no object", text("e30.W10.e30"), noToken, noJWT),
		bad("bare, no Bearer", func(w *world) string { return "Bearer " + w.app.Token(nil) }, noToken, noJWT),
		bad("bare, no Bearer x", text("Bearer x"), noToken, noJWT),
		bad("not a JWT: a claim twice", claiming(`{"appId":%q,"ann@example.com":1,"ann@example.com":2}`), noToken, noJWT),
		bad("a client secret is no token", func(w *world) string { return w.app.Secret }, noToken, noJWT),
		bad("longer than any token", func(w *world) string { return w.app.Token(jwt.MapClaims{"x": strings.Repeat("x", 16<<10)}) }, noToken, noJWT),
	})
}

// Contract 2: which app it is, and what the app may do.
func TestApps(t *testing.T) {
	state := func(state string) func(*world) {
		return func(w *world) {
			storetest.Exec(w.T, w.DSN, "UPDATE apps SET state = $1 WHERE client_id = $2", state, w.app.ClientID)
		}
	}
	unknown := func(id string) func(*world) string {
		return func(w *world) string {
			return w.keep(rostertest.App{ClientID: id, Secret: w.app.Secret}).Token(nil)
		}
	}
	botBuilder := func(w *world) string {
		return w.keep(w.AppWith(w.account, directory.OriginBotBuilder, directory.ScopeUserManagement)).Token(nil)
	}
	const nowhere = "cs-00000000-0000-4000-8000-000000000000"
	disabled := bad("disabled app", nil, badToken, "is disabled")
	disabled.setup = state("disabled")
	deleted := bad("deleted app", nil, badToken, "is deleted")
	deleted.setup = state("deleted")
	disabledAndLate := bad("disabled app: nothing about its token is said", with(`"exp":1`), badToken, "is disabled")
	disabledAndLate.setup = state("disabled")
	checkReading(t, rostertest.Options{}, []row{
		bad("unknown app", unknown(nowhere), badToken, nowhere),
		bad("unknown app: ids match in their case", func(w *world) string { return unknown(strings.ToUpper(w.app.ClientID))(w) }, badToken, ""),
		bad("unknown app: an id that no database takes", unknown("cs-\x00"), badToken, ""),
		bad("unknown app: an id that is no text", unknown("cs-\ud7ff\U0010ffff\u202e"), badToken, ""),
		bad("a token that names no app", claiming(`{"sub":"x"}`), badToken, "names no app"),
		disabled, deleted, disabledAndLate,

		good("app id = appId", claiming(`{"appId":%q,"kore_iss":"x","iss":"y"}`)),
		good("else kore_iss", claiming(`{"kore_iss":%q,"iss":"y"}`)),
		good("else iss", claiming(`{"iss":%q}`)),
		bad("appId comes first", claiming(`{"appId":"`+nowhere+`","kore_iss":%q,"iss":%q}`), badToken, nowhere),
		bad("kore_iss comes before iss", claiming(`{"kore_iss":"`+nowhere+`","iss":%q}`), badToken, nowhere),
		bad("appId spelled exactly so", claiming(`{"appid":%q,"AppId":%q,"app_id":%q}`), badToken, "names no app"),
		bad("an appId that is no string", claiming(`{"appId":7,"iss":%q}`), badToken, "names no app"),

		bad("scope missing", func(w *world) string { return scopeless(w).Token(nil) }, badScope, "does not hold user_management:user_management"),
		bad("claims grant no scope", func(w *world) string {
			return scopeless(w).Token(jwt.MapClaims{"scope": directory.ScopeUserManagement, "scopes": []any{directory.ScopeUserManagement}})
		}, badScope, ""),
		bad("a Bot Builder app, whatever scopes it holds", botBuilder, badScope, "bot-builder"),

		{
			says: "the account is the one that owns the app", token: func(w *world) string { return w.otherApp.Token(nil) },
			body: `{"deleteEmailIds":["bob@example.com"],"orgUserIds":["E1"]}`,
			want: failed(byEmail(`"bob@example.com"`, noSuchEmail), byOrgID(`"E1"`, noSuchOrgID)),
		},
		{says: "the token names no account", token: func(w *world) string {
			return w.otherApp.Token(jwt.MapClaims{"accountId": w.account, "account": w.account, "sub": owner})
		}, body: emails(bob), want: failed(byEmail(`"bob@example.com"`, noSuchEmail))},
	})
}

// Contract 2: exp and nbf are checked when present, 60 s leeway; iat is not.
func TestTokenTimes(t *testing.T) {
	at := func(claim string, offset float64, unit ...float64) func(*world) string {
		return with(fmt.Sprintf(`"%s":%.3f`, claim, (noon+offset)*append(unit, 1)[0]))
	}
	checkReading(t, rostertest.Options{Clock: func() time.Time { return time.Unix(noon, 0) }}, []row{
		good("no exp at all", with(`"nbf":1`)),
		good("not expired", at("exp", 600)),
		good("expired within the leeway", at("exp", -60)),
		bad("expired", at("exp", -60.5), expired, "token expired"),
		bad("expired long ago", with(`"exp":0`), expired, "token expired"),
		bad("expired before time began", with(`"exp":-1e300`), expired, "token expired"),
		good("a fractional exp", with(`"exp":1800000000.25`)),
		good("a fractional exp within the leeway", at("exp", -59.5)),
		good("any JSON number: with an exponent", with(`"exp":18e8`)),
		good("any JSON number: a large one", with(`"exp":99999999999999999999`)),
		bad("a number that is not finite", with(`"exp":1e400`), noToken, "claim exp is not a finite number"),
		bad("nbf that is not finite", with(`"nbf":-1e400`), noToken, "claim nbf is not a finite number"),
		good("milliseconds", at("exp", 0, 1000)),
		bad("milliseconds of long ago", with(`"exp":1000000000000`), expired, "token expired"),
		bad("nbf in milliseconds", at("nbf", 60.5, 1000), notActive, "nbf is 60 s ahead"),
		good("null is absent", with(`"exp":null,"nbf":null,"iat":null`)),

		good("nbf is past", at("nbf", -1)),
		good("nbf within the leeway", at("nbf", 60)),
		bad("not yet valid by nbf", at("nbf", 60.5), notActive, "nbf is 60 s ahead"),
		good("iat is past", at("iat", -1e6)),
		good("iat is ahead", at("iat", 1e6)),
		good("iat in milliseconds", at("iat", 0, 1000)),
		good("iat is anything", with(`"iat":["x"]`)),
		good("iat in milliseconds with a jti", with(`"iat":1800000000000,"exp":1800003660,"jti":"a"`)),
		bad("iat in milliseconds with a jti that lives longer", with(`"iat":1800000000000,"exp":1800003661,"jti":"b"`), jtiLifetime, "lifetime"),
		bad("expired comes before not yet valid", with(`"exp":1,"nbf":1900000000`), expired, ""),

		bad("a time that is no number", with(`"exp":"1900000000"`), noToken, "claim exp is not a finite number"),
		bad("only once the signature has been verified: expired", func(w *world) string {
			return rostertest.App{ClientID: w.app.ClientID, Secret: w.otherApp.Secret}.Token(jwt.MapClaims{"exp": 1})
		}, badToken, "signature is wrong"),
		bad("only once the signature has been verified: a time that is no number", func(w *world) string {
			return rostertest.App{ClientID: w.app.ClientID, Secret: w.otherApp.Secret}.Token(jwt.MapClaims{"exp": "x"})
		}, badToken, "signature is wrong"),
	})
}

// Two headers auth: neither can be told to be the right one.
func TestTwoAuthHeaders(t *testing.T) {
	t.Parallel()
	storetest.EachInLong(t, func(t *testing.T, dsn string) {
		w := start(t, dsn, rostertest.Options{})
		for _, second := range []string{w.app.Token(nil), w.otherApp.Token(nil), "x", ""} {
			before := w.Dump()
			got := w.dial().send(w.head("Auth: "+second, contentLength(len(emails(ann)))) + emails(ann)).answer()
			w.compare(got, 401, noToken, nil)
			w.logSays(got.Header.Get("X-Request-Id"), "more than one auth header")
			w.unchanged(before)
		}
	})
}
