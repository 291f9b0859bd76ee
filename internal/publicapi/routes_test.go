package publicapi_test

import (
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"roster/internal/rostertest"
)

// header1 is a request or an answer's one header.
func header1(name, value string) map[string]string { return map[string]string{name: value} }

// none stands for a request without a token.
func none(*world) string { return "" }

func overridden(by string) map[string]string { return header1("X-HTTP-Method-Override", by) }

var allowUsers = header1("Allow", "DELETE, POST, PUT")

// Contract 1: routes, methods, the override.
func TestRoutes(t *testing.T) {
	checkReading(t, rostertest.Options{}, []row{
		{says: "base path /api/public, JSON in and out", path: "/api/public/users", body: emails(ann), want: removed, gone: []string{ann}},
		{says: "with a trailing slash is the same route", path: "/api/public/users/", body: emails(ann), want: removed, gone: []string{ann}},
		{says: "a trailing slash before a query too", path: "/api/public/users/?x=1", body: emails(ann), want: removed, gone: []string{ann}},
		{says: "two trailing slashes are another path", path: "/api/public/users//", body: emails(ann), status: 404, want: notFound},

		{says: "unknown path: 404 in the same shape", path: "/api/public/user", body: emails(ann), status: 404, want: notFound},
		{says: "unknown path below a known one", path: "/api/public/users/x", body: emails(ann), status: 404, want: notFound},
		{says: "unknown path: the base path", path: "/api/public", body: emails(ann), status: 404, want: notFound},
		{says: "unknown path: the base path with a slash", path: "/api/public/", body: emails(ann), status: 404, want: notFound},
		{says: "unknown path: paths match in their case", path: "/api/public/Users", body: emails(ann), status: 404, want: notFound},
		{says: "unknown path: doubled slashes are not cleaned away", path: "/api//public/users", body: emails(ann), status: 404, want: notFound},
		{says: "unknown path: dots are not cleaned away", path: "/api/public/x/../users", body: emails(ann), status: 404, want: notFound},
		{says: "unknown path outside the API", path: "/", body: emails(ann), status: 404, want: notFound},
		{says: "unknown path before credentials", path: "/api/public/user", token: none, status: 404, want: notFound},
		{says: "unknown path for every method", method: "OPTIONS", path: "/api/public/user", status: 404, want: notFound},
		{says: "unknown path: POST is 405 without Allow", method: "POST", path: "/api/public/user", token: none, body: emails(ann), status: 405, want: notAllowed},
		{says: "unknown path: PUT is 405 without Allow", method: "PUT", path: "/api/public/users/x", token: none, body: "{", status: 405, want: notAllowed},
		{says: "unknown path: POST outside the API", method: "POST", path: "/", token: none, status: 405, want: notAllowed},
		{says: "unknown path: PATCH is 404", method: "PATCH", path: "/api/public/user", token: none, status: 404, want: notFound},
		{says: "an unknown id in a known shape is 404", method: "POST", path: "/api/public/users/removals/x/restore", body: "{}", status: 404, want: notFound},
		{says: "an id that no database takes is an unknown one", method: "POST", path: "/api/public/users/removals/%00/restore", body: "{}", status: 404, want: notFound},
		{says: "an id that is not UTF-8 too", method: "GET", path: "/api/public/users/removals/%ff", status: 404, want: notFound},
		{says: "credentials before an unknown id", method: "GET", path: "/api/public/users/removals/%ff", token: none, status: 401, want: badToken},
		{says: "wrong method on a known shape", method: "PUT", path: "/api/public/users/removals/%00", status: 405, want: notAllowed, headers: header1("Allow", "DELETE, GET")},

		{says: "wrong method on a known path: 405 plus Allow", method: "GET", status: 405, want: notAllowed, headers: allowUsers},
		{says: "a POST of a removal's body removes nobody", method: "POST", body: emails(ann), status: 412, want: invalidArgs},
		{says: "a PUT of a removal's body removes nobody", method: "PUT", body: emails(ann), status: 412, want: invalidArgs},
		{says: "wrong method: PATCH", method: "PATCH", body: emails(ann), status: 405, want: notAllowed, headers: allowUsers},
		{says: "wrong method: OPTIONS", method: "OPTIONS", status: 405, want: notAllowed, headers: allowUsers},
		{says: "wrong method: HEAD, which has no body", method: "HEAD", status: 405, want: "", headers: allowUsers},
		{says: "wrong method: methods match in their case", method: "delete", body: emails(ann), status: 405, want: notAllowed, headers: allowUsers},
		{says: "wrong method with a trailing slash", method: "GET", path: "/api/public/users/", status: 405, want: notAllowed, headers: allowUsers},
		{says: "405 before credentials", method: "GET", token: none, status: 405, want: notAllowed, headers: allowUsers},

		{says: "POST with X-HTTP-Method-Override: DELETE is a DELETE", method: "POST", header: overridden("DELETE"), body: emails(ann), want: removed, gone: []string{ann}},
		{says: "the override in lower case", method: "POST", header: overridden("delete"), body: emails(ann), want: removed, gone: []string{ann}},
		{says: "the override in mixed case", method: "POST", header: overridden("DeLeTe"), body: emails(ann), want: removed, gone: []string{ann}},
		{says: "the override's name in any case", method: "POST", header: header1("x-http-method-override", "DELETE"), body: emails(ann), want: removed, gone: []string{ann}},
		{says: "the override with a trailing slash", method: "POST", path: "/api/public/users/", header: overridden("DELETE"), body: emails(ann), want: removed, gone: []string{ann}},
		{says: "the override on another path is ignored", method: "POST", path: "/api/public/user", header: overridden("DELETE"), status: 405, want: notAllowed},
		{says: "the override to another method is ignored", method: "POST", header: overridden("PUT"), body: emails(ann), status: 412, want: invalidArgs},
		{says: "on PUT the override is ignored", method: "PUT", header: overridden("DELETE"), body: emails(ann), status: 412, want: invalidArgs},
		{says: "on GET the override is ignored", method: "GET", header: overridden("DELETE"), status: 405, want: notAllowed, headers: allowUsers},
		{says: "on DELETE the override is ignored", header: overridden("GET"), body: emails(ann), want: removed, gone: []string{ann}},
	})
}

// Contract 1: route and method, credentials, scope, body, each item.
func TestOrderOfChecks(t *testing.T) {
	noScope := func(w *world) string { return scopeless(w).Token(nil) }
	late := func(w *world) string { return scopeless(w).Token(jwt.MapClaims{"exp": 1}) }
	text := header1("Content-Type", "text/plain")
	checkReading(t, rostertest.Options{}, []row{
		{says: "method before credentials", method: "PATCH", token: none, header: text, body: "{", status: 405, want: notAllowed, headers: allowUsers},
		{says: "credentials before body", token: none, header: text, body: "{", status: 401, want: badToken},
		{says: "credentials before scope", token: late, body: emails(ann), status: 401, want: expired},
		{says: "scope before body", token: noScope, header: text, body: "{", status: 401, want: badScope},
		{says: "content type before the rest of the body", header: text, body: "{", status: 415, want: unsupported},
		{says: "JSON before types", body: `{"deleteEmailIds":"x"`, status: 400, want: invalidJSON},
		{says: "types before empty lists", body: `{"deleteEmailIds":[],"orgUserIds":"x"}`, status: 412, want: invalidArgs},
		{says: "body before each item", body: `{"deleteEmailIds":["` + ann + `",7,[]]}`, status: 412, want: invalidArgs},
	})
}

// Contract 1: content types, request ids.
func TestHeaders(t *testing.T) {
	rows := []row{
		{says: "a body with no content type is taken too", header: header1("Content-Type", ""), body: emails(ann), want: removed, gone: []string{ann}},
		{says: "no content type and no body", header: header1("Content-Type", ""), status: 400, want: invalidJSON},
		{says: "a compressed body is no JSON", header: header1("Content-Encoding", "gzip"), body: emails(ann), status: 415, want: unsupported},

		{
			says: "a client's own X-Request-Id is kept", header: header1("X-Request-Id", "~my!own#id~"), body: emails(ann), want: removed, gone: []string{ann},
			headers: header1("X-Request-Id", "~my!own#id~"),
		},
		{says: "it is kept on a refusal", header: header1("X-Request-Id", "a"), path: "/", status: 404, want: notFound, headers: header1("X-Request-Id", "a")},
		{
			says: "128 characters are kept", header: header1("X-Request-Id", strings.Repeat("x", 128)), status: 400, want: invalidJSON,
			headers: header1("X-Request-Id", strings.Repeat("x", 128)),
		},
		{says: "129 are not", header: header1("X-Request-Id", strings.Repeat("x", 129)), status: 400, want: invalidJSON},
		{says: "a blank is not visible", header: header1("X-Request-Id", "a b"), status: 400, want: invalidJSON},
		{says: "a tab is not visible", header: header1("X-Request-Id", "a\tb"), status: 400, want: invalidJSON},
		{says: "é is not ASCII", header: header1("X-Request-Id", "caf\u00e9"), status: 400, want: invalidJSON},
	}
	for _, ct := range []string{
		"application/json", "application/json; charset=utf-8", "application/json;charset=UTF-8", "Application/JSON",
		`application/json; x="a;b"; y=z`, "application/json; charset=utf-8; charset=latin1", "application/json;", "application/json; =",
	} {
		rows = append(rows, row{
			says:   "content type application/json, any parameters: " + ct,
			header: header1("Content-Type", ct), body: emails(ann), want: removed, gone: []string{ann},
		})
	}
	for _, ct := range []string{
		"text/plain", "application/x-www-form-urlencoded", "text/json", "application/vnd.api+json", "application/jsonx",
		"application/*", "json", "text/plain; application/json", ";",
	} {
		rows = append(rows, row{
			says:   "any other type is 415: " + ct,
			header: header1("Content-Type", ct), body: emails(ann), status: 415, want: unsupported,
		})
	}
	checkReading(t, rostertest.Options{}, rows)
}
