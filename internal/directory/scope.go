package directory

import (
	"fmt"
	"strings"

	"roster/internal/excerpt"
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
		known = append(known, fmt.Sprintf("%q (%s)", excerpt.Of(sl.label), sl.scope))
	}
	return "", Errorf(ErrInvalid, "unknown scope %q: use one of %s", excerpt.Of(s), strings.Join(known, ", "))
}

func foldLabel(s string) string {
	parts := strings.Split(strings.ToLower(s), ">")
	for i, p := range parts {
		parts[i] = strings.Join(strings.Fields(p), " ")
	}
	return strings.Join(parts, ">")
}
