package directory

import (
	"fmt"
	"slices"
	"strings"
)

// Origin says where a client app was created.
type Origin string

// The two places where apps are made. The public API takes calls from apps of
// the Admin Console alone.
const (
	OriginAdminConsole Origin = "admin-console"
	OriginBotBuilder   Origin = "bot-builder"
)

// ParseOrigin reads "admin-console" or "bot-builder". The error wraps ErrInvalid.
func ParseOrigin(s string) (Origin, error) {
	switch o := Origin(s); o {
	case OriginAdminConsole, OriginBotBuilder:
		return o, nil
	}
	return "", Errorf(ErrInvalid, "unknown origin %q: use %s or %s", s, OriginAdminConsole, OriginBotBuilder)
}

// AppState says whether an app may call.
type AppState string

// States of an app.
const (
	AppEnabled  AppState = "enabled"
	AppDisabled AppState = "disabled"
	AppDeleted  AppState = "deleted"
)

// Scope is a right of an app, in its stored form.
type Scope string

// Scopes of the public API.
const (
	ScopeUserManagement Scope = "user_management:user_management"
	ScopeRoleManagement Scope = "role_management:role_management"
	ScopeDeleteUserData Scope = "delete:delete_user_data"
	ScopeAuditLogs      Scope = "logs:admin_console_audit_logs"
)

var scopeLabels = []struct {
	scope Scope
	label string
}{
	{ScopeUserManagement, "User Management > User Management"},
	{ScopeRoleManagement, "Profile Management > Role Management"},
	{ScopeDeleteUserData, "Profile Management > Delete Users Data"},
	{ScopeAuditLogs, "Logs > Admin Console Audit Logs"},
}

// Scopes lists all scopes that there are.
func Scopes() []Scope {
	scopes := make([]Scope, len(scopeLabels))
	for i, sl := range scopeLabels {
		scopes[i] = sl.scope
	}
	return scopes
}

// Label is the name of the scope that the console shows; empty for one that
// there is not.
func (s Scope) Label() string {
	for _, sl := range scopeLabels {
		if sl.scope == s {
			return sl.label
		}
	}
	return ""
}

// ParseScope reads a scope by its stored name or by the label that the console
// shows, in any case and with any blanks around ">". The error wraps
// ErrInvalid and lists the scopes there are.
func ParseScope(s string) (Scope, error) {
	want := foldLabel(s)
	var known []string
	for _, sl := range scopeLabels {
		if want == string(sl.scope) || want == foldLabel(sl.label) {
			return sl.scope, nil
		}
		known = append(known, fmt.Sprintf("%q (%s)", sl.label, sl.scope))
	}
	return "", Errorf(ErrInvalid, "unknown scope %q: use one of %s", s, strings.Join(known, ", "))
}

func foldLabel(s string) string {
	parts := strings.Split(strings.ToLower(s), ">")
	for i, p := range parts {
		parts[i] = strings.Join(strings.Fields(p), " ")
	}
	return strings.Join(parts, ">")
}

// App is a client of the public API.
type App struct {
	ID       AppID
	ClientID string
	Account  AccountID
	Name     string
	Origin   Origin
	State    AppState
	Scopes   []Scope
}

// Has reports whether the app holds the scope.
func (a App) Has(s Scope) bool { return slices.Contains(a.Scopes, s) }

// SealedSecret is a client secret as the database keeps it.
type SealedSecret struct {
	KeyVersion int
	Sealed     []byte
}
