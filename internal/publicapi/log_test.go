package publicapi_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"roster/internal/rostertest"
	"roster/internal/storetest"
)

// leaked names what a log shows and must not: a token, its parts, a client
// secret, or anything that could be an address. Every server of this package's
// tests is checked with it after it has stopped.
func leaked(log string, secrets []string) string {
	for _, secret := range secrets {
		for part := range strings.SplitSeq(secret, ".") {
			if len(part) >= 20 && strings.Contains(log, part) {
				return "a token or secret: " + part
			}
		}
	}
	if before, after, found := strings.Cut(log, "@"); found {
		return "an address: " + before[max(0, len(before)-60):] + "@" + after[:min(len(after), 60)]
	}
	return ""
}

// eventually waits until a condition holds, for at most a minute.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !condition(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// accessLine is the line of the access log about a request. It is written
// after the answer.
func (w *world) accessLine(requestID string) (line map[string]any) {
	w.T.Helper()
	eventually(w.T, "the line of request "+requestID+" in the log", func() bool {
		for text := range strings.Lines(w.Log.String()) {
			var l map[string]any
			if json.Unmarshal([]byte(text), &l) == nil && l["msg"] == "request" && l["requestId"] == requestID {
				line = l
				return true
			}
		}
		return false
	})
	return line
}

// logSays checks that the operator can read why a request was refused.
func (w *world) logSays(requestID, why string) {
	w.T.Helper()
	if got, _ := w.accessLine(requestID)["why"].(string); !strings.Contains(got, why) {
		w.T.Errorf("the log says %q about it, want %q", got, why)
	}
}

// TestLogGivesNothingAway puts addresses and tokens wherever a client can put
// them. The check itself is in start.
func TestLogGivesNothingAway(t *testing.T) {
	t.Parallel()
	storetest.EachInLong(t, func(t *testing.T, dsn string) {
		w := start(t, dsn, rostertest.Options{})
		token := w.app.Token(jwt.MapClaims{"sub": ann, "jti": ann})
		for _, c := range []struct {
			at  string
			req rostertest.Request
		}{
			{"path", rostertest.Request{Path: "/api/public/users/" + ann, Token: token}},
			{"path elsewhere", rostertest.Request{Path: "/" + token + "/" + ann, Token: token}},
			{"query", rostertest.Request{Path: "/api/public/users?dryRun=" + ann + "&" + token, Token: token}},
			{"method", rostertest.Request{Method: "ANN'EXAMPLE.COM", Token: token}},
			{"override", rostertest.Request{Method: http.MethodPost, Header: map[string]string{"X-HTTP-Method-Override": ann}, Token: token}},
			{"content type", rostertest.Request{Header: map[string]string{"Content-Type": ann}, Token: token}},
			{"other header", rostertest.Request{Header: map[string]string{"User-Agent": ann, "Authorization": token}, Token: token}},
			{"token", rostertest.Request{Token: ann}},
			{"client id", rostertest.Request{Token: rostertest.App{ClientID: ann, Secret: w.app.Secret}.Token(nil)}},
			{"broken body", rostertest.Request{Body: `{"deleteEmailIds":["` + ann + `"],"` + ann + `":` + ann, Token: token}},
			{"wrong body", rostertest.Request{Body: `{"deleteEmailIds":{"` + ann + `":1}}`, Token: token}},
			{"refused", rostertest.Request{Body: emails("x@example.com", "no address", owner, dan), Token: token}},
			{"removed", rostertest.Request{Body: emails(ann), Token: token}},
		} {
			answer := w.send(c.req)
			if line := w.accessLine(answer.Header.Get("X-Request-Id")); line["status"] != float64(answer.Status) {
				t.Errorf("%s: logged as %v, answered %d", c.at, line, answer.Status)
			}
		}
		if strings.Contains(w.Log.String(), "ANN'EXAMPLE") {
			t.Error("the log shows a method that is none")
		}
	})
}

// TestLeakedFindsLeaks makes sure that the check above can fail.
func TestLeakedFindsLeaks(t *testing.T) {
	t.Parallel()
	token := rostertest.App{ClientID: "cs-1", Secret: strings.Repeat("s", 44)}.Token(nil)
	secrets := []string{token, strings.Repeat("s", 44)}
	parts := strings.Split(token, ".")
	for _, log := range []string{token, "x" + parts[2] + "x", parts[1], secrets[1], "to ann@example.com"} {
		if leaked(log, secrets) == "" {
			t.Errorf("a leak was not found: %s", log)
		}
	}
	if leak := leaked(`{"msg":"request","app":"cs-1"}`, secrets); leak != "" {
		t.Errorf("found %s where there is nothing", leak)
	}
}
