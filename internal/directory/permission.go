package directory

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"roster/internal/excerpt"
)

// Permission is how far a role allows something.
type Permission string

// How far a role may allow something. An admin role says yes or no; a bot role
// may also give all of it or let it be looked at.
const (
	PermitFull Permission = "FULL"
	PermitView Permission = "VIEW"
	PermitYes  Permission = "YES"
	PermitNo   Permission = "NO"
)

// Permissions are what a role allows, by name. Those of admin roles that are a
// Right hold in the Admin Console; the others are kept for whoever asks.
type Permissions map[string]Permission

// Bounds of the permissions of a role.
const (
	MaxPermissions    = 200
	MaxPermissionName = 100 // characters
)

// permissionsOf lists what a role of a kind may say about a permission.
func permissionsOf(kind RoleKind) []Permission {
	if kind == AdminRole {
		return []Permission{PermitYes, PermitNo}
	}
	return []Permission{PermitFull, PermitView, PermitYes, PermitNo}
}

// ParsePermission reads a permission of a role of that kind, written as
// NAME=VALUE with the value in any case. The error wraps ErrInvalid.
func ParsePermission(kind RoleKind, s string) (name string, value Permission, err error) {
	name, text, ok := strings.Cut(s, "=")
	name, value = strings.TrimSpace(name), Permission(strings.ToUpper(strings.TrimSpace(text)))
	if !ok || name == "" || !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl) ||
		utf8.RuneCountInString(name) > MaxPermissionName {
		return "", "", Errorf(ErrInvalid, "permission %q: write it as NAME=VALUE, with a name of 1-%d characters", excerpt.Of(s), MaxPermissionName)
	}
	if values := permissionsOf(kind); !slices.Contains(values, value) {
		names := make([]string, len(values))
		for i, v := range values {
			names[i] = string(v)
		}
		return "", "", Errorf(ErrInvalid, "permission %q: roles of the kind %s have one of %s", excerpt.Of(s), kind, strings.Join(names, ", "))
	}
	return name, value, nil
}
