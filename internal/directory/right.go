package directory

import "slices"

// Right is what somebody who signs in may do in an account: the name of a
// permission of admin roles.
type Right string

// Rights. RightView lets a person look at everything and change nothing.
const (
	RightUsers  Right = "userManagement"
	RightGroups Right = "groupManagement"
	RightRoles  Right = "roleManagement"
	RightBots   Right = "botManagement"
	RightApps   Right = "appManagement"
	RightAudit  Right = "auditLogs"
	RightView   Right = "viewOnly"
)

// Need is a right that a verb asks for, to look or to change.
type Need struct {
	Right  Right
	Change bool
}

// See is the need of a verb that only looks.
func (r Right) See() Need { return Need{Right: r} }

// Change is the need of a verb that changes something.
func (r Right) Change() Need { return Need{Right: r, Change: true} }

// Need is what a person needs in place of the scope that an app has.
func (s Scope) Need() Need {
	switch s {
	case ScopeUserManagement, ScopeDeleteUserData:
		return RightUsers.Change()
	case ScopeRoleManagement:
		return RightRoles.Change()
	case ScopeAuditLogs:
		return RightAudit.See()
	}
	return Need{}
}

// Rights are what a member may do by their admin roles and as the owner of the
// account. The zero Rights allow nothing.
type Rights struct {
	Owner bool
	Roles []string // names of the admin roles, each once
	may   []Right
}

// Grant adds what an admin role of that name allows.
func (r *Rights) Grant(role string, p Permissions) {
	if !slices.Contains(r.Roles, role) {
		r.Roles = append(r.Roles, role)
	}
	for name, value := range p {
		if value == PermitYes && !slices.Contains(r.may, Right(name)) {
			r.may = append(r.may, Right(name))
		}
	}
}

// Any reports whether they allow anything at all.
func (r *Rights) Any() bool {
	return slices.ContainsFunc(r.may, func(right Right) bool {
		return slices.Contains([]Right{RightUsers, RightGroups, RightRoles, RightBots, RightApps, RightAudit, RightView}, right)
	})
}

// Allow reports whether they meet a need. No need at all is met by nobody.
func (r *Rights) Allow(n Need) bool {
	return n.Right != "" && (slices.Contains(r.may, n.Right) || !n.Change && slices.Contains(r.may, RightView))
}
