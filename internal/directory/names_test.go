package directory

import (
	"errors"
	"regexp"
	"strings"
	"testing"
)

func TestOrgUserIDComparesExactly(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("\u00e9", MaxOrgUserID)
	tests := []struct {
		name, in, want string // want is empty where it is refused
	}{
		{"plain", "E1234", "E1234"},
		{"case is kept", "e1234", "e1234"},
		{"blanks around are cut", " \tE1234\u00a0\n", "E1234"},
		{"blanks inside are kept", "E 12  34", "E 12  34"},
		{"no normal form", "e\u0301", "e\u0301"},
		{"zeros in front count", "0012", "0012"},
		{"looks like JSON", `{"a":[1]}`, `{"a":[1]}`},
		{"quotes and percent", `%'"\_`, `%'"\_`},
		{"256 characters", long, long},
		{"257 characters", long + "x", ""},
		{"empty", "", ""},
		{"blanks alone", " \u3000\t", ""},
		{"NUL", "E\x001", ""},
		{"newline inside", "E\n1", ""},
		{"C1 control", "E\u00851", ""},
		{"invalid UTF-8", "E\xff", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := ParseOrgUserID(tt.in)
			if got != tt.want || (err == nil) != (tt.want != "") || (err != nil && !errors.Is(err, ErrInvalid)) {
				t.Errorf("ParseOrgUserID(%q) = %q, %v; want %q", tt.in, got, err, tt.want)
			}
		})
	}
}

func TestNameIsCutAndBounded(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("\u00e9", MaxName)
	for in, want := range map[string]string{
		" Help Desk\t": "Help Desk", "\u540d\u524d": "\u540d\u524d", long: long,
		"": "", " ": "", long + "x": "", "a\x00b": "", "a\nb": "", "a\xff": "",
	} {
		got, err := ParseName("bot name", in)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("ParseName(%q) = %q, %v; want %q", in, got, err, want)
		}
		if err != nil && (!errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), "bot name")) {
			t.Errorf("ParseName(%q): %v; want ErrInvalid and the field's name", in, err)
		}
	}
}

func TestScopeIsReadByStoredNameAndByLabel(t *testing.T) {
	t.Parallel()
	tests := []struct {
		in   string
		want Scope // empty where it is refused
	}{
		{"user_management:user_management", ScopeUserManagement},
		{"User Management > User Management", ScopeUserManagement},
		{"user management>user management", ScopeUserManagement},
		{"  USER   MANAGEMENT\t>  User Management ", ScopeUserManagement},
		{"role_management:role_management", ScopeRoleManagement},
		{"Profile Management > Role Management", ScopeRoleManagement},
		{"delete:delete_user_data", ScopeDeleteUserData},
		{"Profile Management > Delete Users Data", ScopeDeleteUserData},
		{"logs:admin_console_audit_logs", ScopeAuditLogs},
		{"Logs > Admin Console Audit Logs", ScopeAuditLogs},
		{"", ""},
		{">", ""},
		{"User Management", ""},
		{"User Management > User Management > User Management", ""},
		{"User Management > Role Management", ""},
		{"user_management", ""},
		{"user_management:", ""},
		{"user_management:user_management,role_management:role_management", ""},
		{"*", ""},
	}
	for _, tt := range tests {
		got, err := ParseScope(tt.in)
		if got != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("ParseScope(%q) = %q, %v; want %q", tt.in, got, err, tt.want)
		}
		if err == nil {
			continue
		}
		for _, known := range []string{"User Management > User Management", "logs:admin_console_audit_logs"} {
			if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), known) {
				t.Errorf("ParseScope(%q): %v; want ErrInvalid and a list with %q", tt.in, err, known)
			}
		}
	}
}

func TestOriginIsOneOfTwo(t *testing.T) {
	t.Parallel()
	for in, ok := range map[string]bool{"admin-console": true, "bot-builder": true, "": false, "Admin-Console": false, "console": false} {
		if got, err := ParseOrigin(in); (err == nil) != ok || (ok && string(got) != in) || (!ok && !errors.Is(err, ErrInvalid)) {
			t.Errorf("ParseOrigin(%q) = %q, %v", in, got, err)
		}
	}
}

func TestAppHasExactlyItsScopes(t *testing.T) {
	t.Parallel()
	app := App{Scopes: []Scope{ScopeAuditLogs, "user_management:user_management_more", "USER_MANAGEMENT:USER_MANAGEMENT"}}
	for scope, want := range map[Scope]bool{ScopeAuditLogs: true, ScopeUserManagement: false, ScopeRoleManagement: false, "": false} {
		if app.Has(scope) != want {
			t.Errorf("Has(%q) = %v", scope, !want)
		}
	}
}

func TestProfileNamesItsFirstBadField(t *testing.T) {
	t.Parallel()
	for _, f := range (&Profile{}).Fields() {
		for text, ok := range map[string]bool{
			"": true, "\u540d": true, strings.Repeat("\u00e9", MaxProfileText): true,
			strings.Repeat("x", MaxProfileText+1): false, "a\x00": false, "a\nb": false, "a\xff": false,
		} {
			var p Profile
			for _, field := range p.Fields() {
				if field.Name == f.Name {
					*field.Text = text
				}
			}
			want := f.Name
			if ok {
				want = ""
			}
			if got := p.Invalid(); got != want {
				t.Errorf("%s = %.20q: Invalid() = %q, want %q", f.Name, text, got, want)
			}
		}
	}
}

func TestPublicIDsHaveThePublishedForm(t *testing.T) {
	t.Parallel()
	const uuid = "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
	for pattern, fresh := range map[string]func() string{
		"u-" + uuid: NewUserID, "st-" + uuid: NewBotID, "cs-" + uuid: NewClientID,
		"e-" + uuid: NewGroupID, "rm-" + uuid: NewRemovalID, "[0-9a-f]{24}": NewHexID,
	} {
		a, b := fresh(), fresh()
		if a == b || !regexp.MustCompile("^"+pattern+"$").MatchString(a) {
			t.Errorf("ids %q and %q should differ and match %s", a, b, pattern)
		}
	}
}
