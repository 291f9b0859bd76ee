package auth

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"roster/internal/directory"
)

var testSecret = []byte("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=")

var testNow = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// sign makes a token with another library than the one that reads it.
func sign(t testing.TB, method jwt.SigningMethod, key any, header map[string]any, claims jwt.MapClaims) string {
	t.Helper()
	token := jwt.NewWithClaims(method, claims)
	maps.Copy(token.Header, header)
	compact, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return compact
}

func hs256(t testing.TB, claims jwt.MapClaims) string {
	t.Helper()
	return sign(t, jwt.SigningMethodHS256, testSecret, nil, claims)
}

// signText signs header and claims as they stand, whatever they are.
func signText(t testing.TB, key []byte, header, claims string) string {
	t.Helper()
	b64 := base64.RawURLEncoding
	text := b64.EncodeToString([]byte(header)) + "." + b64.EncodeToString([]byte(claims))
	mac, err := jwt.SigningMethodHS256.Sign(text, key)
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + b64.EncodeToString(mac)
}

// verify reads and verifies a token of an app with HS256 the way package roster does.
func verify(compact string, secrets ...[]byte) (clientID, label string, err error) {
	app := directory.App{ClientID: "cs-1", Algorithm: directory.HS256}
	keys := make([]AppKey, len(secrets))
	for i, secret := range secrets {
		keys[i] = AppKey{ID: directory.AppKeyID(i + 1), Material: secret}
	}
	token, err := ParseToken(compact, noPlatformKey)
	if err != nil {
		return "", "", err
	}
	claims, err := token.Verify(app, keys, testNow)
	return token.ClientID, claims.Label, err
}

func noPlatformKey(string) (*PlatformKey, error) { return nil, nil }

func TestTokenNeedsTheClaimAppIDAlone(t *testing.T) {
	t.Parallel()
	id, label, err := verify(hs256(t, jwt.MapClaims{"appId": "cs-1"}), testSecret)
	if err != nil || id != "cs-1" || label != "" {
		t.Errorf("client id %q, label %q, %v", id, label, err)
	}
}

func TestTokenNamesItsAppByTheFirstClaimThatIsThere(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		claims string
		want   string
	}{
		{`{"appId":"a","kore_iss":"b","iss":"c"}`, "a"},
		{`{"kore_iss":"b","iss":"c"}`, "b"},
		{`{"iss":"c"}`, "c"},
		{`{"appId":null,"kore_iss":"","iss":"c"}`, "c"},
		{`{"appId":7,"iss":"c"}`, ""},
		{`{"appId":["c"],"iss":"c"}`, ""},
		{`{"appid":"x","APPID":"y","AppId":"z"}`, ""},
		{`{"sub":"c","aud":"c"}`, ""},
		{`{}`, ""},
		{`{"appId":" a "}`, " a "},
	} {
		token, err := ParseToken(signText(t, testSecret, `{"alg":"HS256"}`, tt.claims), noPlatformKey)
		if token.ClientID != tt.want || (err == nil) != (tt.want != "") || (err != nil && !errors.Is(err, ErrCredentials)) {
			t.Errorf("%s: client id %q, %v; want %q", tt.claims, token.ClientID, err, tt.want)
		}
	}
}

// PostgreSQL refuses a NUL in a text, so such an id must not reach it.
func TestClientIDThatNoAppCanHaveIsNoCredentials(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"cs-\x00", "\x00", "cs-1\n"} {
		token, err := ParseToken(hs256(t, jwt.MapClaims{"appId": id}), noPlatformKey)
		if !errors.Is(err, ErrCredentials) || token.ClientID != "" {
			t.Errorf("client id %q, %v; want ErrCredentials", token.ClientID, err)
		}
	}
}

func TestTokenWithAWrongHeaderStillSaysWhoseItIs(t *testing.T) {
	t.Parallel()
	compact := sign(t, jwt.SigningMethodHS512, testSecret, nil, jwt.MapClaims{"appId": "cs-1"})
	if id, _, err := verify(compact, testSecret); id != "cs-1" || !errors.Is(err, ErrCredentials) {
		t.Errorf("client id %q, %v; want cs-1 and ErrCredentials", id, err)
	}
}

func TestKeyOfTheSignatureIsTheTextOfTheSecret(t *testing.T) {
	t.Parallel()
	decoded, err := base64.StdEncoding.DecodeString(string(testSecret))
	if err != nil {
		t.Fatal(err)
	}
	compact := sign(t, jwt.SigningMethodHS256, decoded, nil, jwt.MapClaims{"appId": "cs-1"})
	if _, _, err := verify(compact, testSecret); !errors.Is(err, ErrCredentials) {
		t.Errorf("signed with the decoded bytes: %v, want ErrCredentials", err)
	}
}

func TestEachLiveSecretOfAnAppIsGood(t *testing.T) {
	t.Parallel()
	old, fresh, retired := []byte(NewClientSecret()), []byte(NewClientSecret()), []byte(NewClientSecret())
	for _, secret := range [][]byte{old, fresh} {
		if _, _, err := verify(sign(t, jwt.SigningMethodHS256, secret, nil, jwt.MapClaims{"appId": "cs-1"}), old, fresh); err != nil {
			t.Error(err)
		}
	}
	compact := sign(t, jwt.SigningMethodHS256, retired, nil, jwt.MapClaims{"appId": "cs-1"})
	if _, _, err := verify(compact, old, fresh); !errors.Is(err, ErrCredentials) {
		t.Errorf("retired secret: %v, want ErrCredentials", err)
	}
	if _, _, err := verify(compact); !errors.Is(err, ErrCredentials) {
		t.Errorf("no secret at all: %v, want ErrCredentials", err)
	}
}

func TestTimesOfATokenHaveALeewayOfAMinute(t *testing.T) {
	t.Parallel()
	now := float64(testNow.Unix())
	for _, tt := range []struct {
		name   string
		claims jwt.MapClaims
		want   error
	}{
		{"valid", jwt.MapClaims{"exp": now + 60, "nbf": now, "iat": now}, nil},
		{"fractional exp", jwt.MapClaims{"exp": now + 0.123456}, nil},
		{"expired within the leeway", jwt.MapClaims{"exp": now - 60}, nil},
		{"expired", jwt.MapClaims{"exp": now - 60.5}, ErrExpired},
		{"expired long ago", jwt.MapClaims{"exp": 0}, ErrExpired},
		{"negative exp", jwt.MapClaims{"exp": -1e300}, ErrExpired},
		{"exp far away", jwt.MapClaims{"exp": 1e300}, nil},
		{"exp beyond all floats", jwt.MapClaims{"exp": json.Number("1e400")}, ErrMalformed},
		{"exp before all floats", jwt.MapClaims{"exp": json.Number("-1e400")}, ErrMalformed},
		{"nbf beyond all floats", jwt.MapClaims{"nbf": json.Number("1e400")}, ErrMalformed},
		{"exp in milliseconds", jwt.MapClaims{"exp": (now - 60) * 1000}, nil},
		{"expired in milliseconds", jwt.MapClaims{"exp": (now-60)*1000 - 1}, ErrExpired},
		{"the smallest number of milliseconds", jwt.MapClaims{"exp": 1e12}, ErrExpired},
		{"the largest number of seconds", jwt.MapClaims{"exp": 1e12 - 1}, nil},
		{"nbf in milliseconds", jwt.MapClaims{"nbf": (now + 60) * 1000}, nil},
		{"nbf in milliseconds ahead", jwt.MapClaims{"nbf": (now+60)*1000 + 1}, ErrNotActive},
		{"nbf within the leeway", jwt.MapClaims{"nbf": now + 60}, nil},
		{"nbf ahead", jwt.MapClaims{"nbf": now + 60.5}, ErrNotActive},
		{"iat ahead", jwt.MapClaims{"iat": now + 1e6}, nil},
		{"iat in milliseconds", jwt.MapClaims{"iat": now * 1000}, nil},
		{"iat beyond all floats", jwt.MapClaims{"iat": json.Number("1e400")}, nil},
		{"iat long ago", jwt.MapClaims{"iat": 1}, nil},
		{"exp is a text", jwt.MapClaims{"exp": "9999999999"}, ErrMalformed},
		{"exp is a boolean", jwt.MapClaims{"exp": true}, ErrMalformed},
		{"nbf is a list", jwt.MapClaims{"nbf": []int{1}}, ErrMalformed},
		{"iat is an object", jwt.MapClaims{"iat": map[string]int{}}, nil},
		{"null counts as absent", jwt.MapClaims{"exp": nil, "nbf": nil, "iat": nil}, nil},
	} {
		tt.claims["appId"] = "cs-1"
		if _, _, err := verify(hs256(t, tt.claims), testSecret); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
		// Nothing about the claims is said before the signature was found right.
		if _, _, err := verify(hs256(t, tt.claims), []byte(NewClientSecret())); !errors.Is(err, ErrCredentials) {
			t.Errorf("%s, signed by a stranger: %v, want ErrCredentials", tt.name, err)
		}
	}
}

func TestLabelIsTheSubjectMadeFitForARecord(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		sub  any
		want string
	}{
		{"offboarding script", "offboarding script"},
		{"a\x00b\nc\x1b[31m\u0085d", "abc[31md"},
		{strings.Repeat("\u00e9", 300), strings.Repeat("\u00e9", 256)},
		{"\n" + strings.Repeat("x", 257), strings.Repeat("x", 256)},
		{7, ""},
		{nil, ""},
		{[]string{"x"}, ""},
	} {
		if _, label, err := verify(hs256(t, jwt.MapClaims{"appId": "cs-1", "sub": tt.sub}), testSecret); err != nil || label != tt.want {
			t.Errorf("sub %.20v: label %q, %v; want %q", tt.sub, label, err, tt.want)
		}
	}
}
