package auth

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"roster/internal/directory"
)

// verifyFor verifies a good HS256 token with these claims for an app that
// demands this.
func verifyFor(t *testing.T, p directory.AppPolicy, claims jwt.MapClaims) (Claims, error) {
	t.Helper()
	claims["appId"] = "cs-1"
	token, err := ParseToken(hs256(t, claims), noPlatformKey)
	if err != nil {
		t.Fatal(err)
	}
	return token.Verify(directory.App{ClientID: "cs-1", Algorithm: directory.HS256, Policy: p}, []AppKey{{ID: 1, Material: testSecret}}, testNow)
}

// reasonOf is the reason of a refusal, empty for no error.
func reasonOf(t *testing.T, err error) Reason {
	t.Helper()
	var refusal *Refusal
	if err != nil && !errors.As(err, &refusal) {
		t.Fatalf("%v is no refusal", err)
	}
	if refusal == nil {
		return ""
	}
	return refusal.Reason
}

func TestLifetimeOfATokenWithJTI(t *testing.T) {
	t.Parallel()
	now := float64(testNow.Unix())
	for _, tt := range []struct {
		name   string
		claims jwt.MapClaims
		want   Reason
	}{
		{"an hour", jwt.MapClaims{"iat": now, "exp": now + 3600}, ""},
		{"an hour and the leeway", jwt.MapClaims{"iat": now, "exp": now + 3660}, ""},
		{"a thousandth more", jwt.MapClaims{"iat": now, "exp": now + 3660.001}, ReasonJTILifetime},
		{"an hour that began a while ago", jwt.MapClaims{"iat": now - 1800, "exp": now + 1860}, ""},
		{"a thousandth more, that began a while ago", jwt.MapClaims{"iat": now - 1800, "exp": now + 1860.001}, ReasonJTILifetime},
		{"an hour by a clock that is ahead", jwt.MapClaims{"iat": now + 60, "exp": now + 3720}, ""},
		{"a clock that is further ahead is not believed", jwt.MapClaims{"iat": now + 60.001, "exp": now + 3660.001}, ReasonJTILifetime},
		{"a second left of a long life", jwt.MapClaims{"iat": now - 3660, "exp": now + 1}, ReasonJTILifetime},
		{"the smallest iat", jwt.MapClaims{"iat": 1e9, "exp": now + 1}, ReasonJTILifetime},
		{"a smaller one is ignored", jwt.MapClaims{"iat": 1e9 - 1, "exp": now + 3660}, ""},
		{"iat in milliseconds is ignored", jwt.MapClaims{"iat": now * 1000, "exp": now + 3660}, ""},
		{"both in milliseconds", jwt.MapClaims{"iat": now * 1000, "exp": (now + 3660) * 1000}, ""},
		{"both in milliseconds, more", jwt.MapClaims{"iat": now * 1000, "exp": (now + 3661) * 1000}, ReasonJTILifetime},
		{"iat is a text", jwt.MapClaims{"iat": "yesterday", "exp": now + 3660}, ""},
		{"iat is an object, and more", jwt.MapClaims{"iat": map[string]int{}, "exp": now + 3661}, ReasonJTILifetime},
		{"no iat, an hour from now and the leeway", jwt.MapClaims{"exp": now + 3660}, ""},
		{"no iat, more", jwt.MapClaims{"exp": now + 3660.001}, ReasonJTILifetime},
		{"iat is null", jwt.MapClaims{"iat": nil, "exp": now + 3660.5}, ReasonJTILifetime},
		{"in the year 33658", jwt.MapClaims{"iat": now, "exp": 1e12 - 1}, ReasonJTILifetime},
		{"beyond all floats", jwt.MapClaims{"iat": now, "exp": json.Number("1e999")}, ReasonClaim},
		{"iat beyond all floats is ignored", jwt.MapClaims{"iat": json.Number("-1e999"), "exp": now + 3660}, ""},
		{"it ends before it begins", jwt.MapClaims{"iat": now + 30, "exp": now - 30}, ""},
		{"expired comes first", jwt.MapClaims{"iat": now - 7200, "exp": now - 61}, ReasonExpired},
		{"no exp", jwt.MapClaims{"iat": now}, ReasonNoExpiry},
		{"exp is null", jwt.MapClaims{"iat": now, "exp": nil}, ReasonNoExpiry},
	} {
		for _, name := range []string{"jti", "kore_jti"} {
			tt.claims[name] = "id-1"
			claims, err := verifyFor(t, directory.AppPolicy{}, tt.claims)
			if reason := reasonOf(t, err); reason != tt.want {
				t.Errorf("%s, %s: %v, want %q", name, tt.name, err, tt.want)
			}
			if err == nil && (claims.JTI != "id-1" || claims.Expires.Before(testNow.Add(-time.Minute))) {
				t.Errorf("%s, %s: %+v", name, tt.name, claims)
			}
			delete(tt.claims, name)
		}
	}
}

func TestClaimJTIIsTheFirstThatIsThere(t *testing.T) {
	t.Parallel()
	enforce := directory.AppPolicy{EnforceJTI: true}
	for _, tt := range []struct {
		jti, koreJTI any
		want         string
		reason       Reason // when the app enforces it
	}{
		{"a", "b", "a", ""},
		{nil, "b", "b", ""},
		{"", "b", "b", ""},
		{nil, nil, "", ReasonNoJTI},
		{"", "", "", ReasonNoJTI},
		{" ", nil, " ", ""},
		{"\x00", nil, "\x00", ""},
		{7, "b", "", ReasonClaim},
		{false, "b", "", ReasonClaim},
		{[]string{"a"}, nil, "", ReasonClaim},
		{map[string]int{}, nil, "", ReasonClaim},
		{nil, 7, "", ReasonClaim},
	} {
		for _, policy := range []directory.AppPolicy{{}, enforce} {
			claims, err := verifyFor(t, policy, jwt.MapClaims{"jti": tt.jti, "kore_jti": tt.koreJTI, "exp": testNow.Unix() + 60})
			want := tt.reason
			if want == ReasonNoJTI && policy != enforce {
				want = ""
			}
			if reasonOf(t, err) != want || claims.JTI != tt.want {
				t.Errorf("jti %#v, kore_jti %#v: %q, %v; want %q, %q", tt.jti, tt.koreJTI, claims.JTI, err, tt.want, want)
			}
		}
	}
}

// What remembers a used jti keeps it until the token has expired; a fraction
// must not make that earlier.
func TestExpiryOfAJTIIsNeverRoundedDown(t *testing.T) {
	t.Parallel()
	exp := float64(testNow.Unix()) + 60.0001
	claims, err := verifyFor(t, directory.AppPolicy{}, jwt.MapClaims{"jti": "a", "exp": exp})
	if want := testNow.Add(60*time.Second + time.Millisecond); err != nil || !claims.Expires.Equal(want) {
		t.Errorf("expires %v, %v; want %v", claims.Expires, err, want)
	}
}

func TestPoliciesOfAnApp(t *testing.T) {
	t.Parallel()
	later := testNow.Unix() + 60
	for _, tt := range []struct {
		name   string
		policy directory.AppPolicy
		claims jwt.MapClaims
		want   Reason
	}{
		{"nothing demanded", directory.AppPolicy{}, jwt.MapClaims{}, ""},
		{"must expire, does", directory.AppPolicy{MustExpire: true}, jwt.MapClaims{"exp": later}, ""},
		{"must expire, does not", directory.AppPolicy{MustExpire: true}, jwt.MapClaims{}, ReasonNoExpiry},
		{"must expire, in ten years", directory.AppPolicy{MustExpire: true}, jwt.MapClaims{"exp": testNow.AddDate(10, 0, 0).Unix()}, ""},
		{"must expire, in more", directory.AppPolicy{MustExpire: true}, jwt.MapClaims{"exp": testNow.AddDate(10, 0, 0).Unix() + 1}, ReasonNoExpiry},
		{"must expire, in more by milliseconds", directory.AppPolicy{MustExpire: true}, jwt.MapClaims{"exp": testNow.AddDate(10, 0, 0).UnixMilli() + 1}, ReasonNoExpiry},
		{"need not expire, in a hundred years", directory.AppPolicy{}, jwt.MapClaims{"exp": 5e9}, ""},
		{"must have jti, has none, nor exp", directory.AppPolicy{EnforceJTI: true, MustExpire: true}, jwt.MapClaims{}, ReasonNoJTI},
		{"must have jti, has one without exp", directory.AppPolicy{EnforceJTI: true}, jwt.MapClaims{"jti": "a"}, ReasonNoExpiry},
		{"must be encrypted, is not", directory.AppPolicy{EnforceJWE: true}, jwt.MapClaims{}, ReasonNotEncrypted},
		{"the form comes before the times", directory.AppPolicy{EnforceJWE: true}, jwt.MapClaims{"exp": 1}, ReasonNotEncrypted},
	} {
		if _, err := verifyFor(t, tt.policy, tt.claims); reasonOf(t, err) != tt.want {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

func TestEveryReasonHasAKind(t *testing.T) {
	t.Parallel()
	for _, reason := range Reasons() {
		refusal := Refuse(reason, "particular %d", 1).Of(directory.App{ClientID: "cs-1"})
		if refusal.Unwrap() == nil || refusal.Error() != "app cs-1: "+refusal.Unwrap().Error()+": particular 1" {
			t.Errorf("%s: %v", reason, refusal)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("an unknown reason is no fault")
		}
	}()
	_ = Refuse("made up", "").Error()
}
