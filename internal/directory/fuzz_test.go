package directory

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// FuzzParseEmail holds that an address has one key however often it is read,
// and that nothing but the promised characters ever gets into a key.
func FuzzParseEmail(f *testing.F) {
	for _, seed := range []string{
		"", "@", "a@b.c", "Ada.Lovelace@Example.COM", " a@example.com\n", "a@b@c.d", `"a b"@example.com`,
		"stra\u00dfe@example.com", "\ufb01ona@example.com", "\u212a@\u212a.com", "\u0130@example.com",
		"J\u030c@example.com", "e\u0301@mu\u0308nchen.de", "a@fa\u00df.de", "a@a_b.com", "a@b\u3002c", "a@b.c.",
		"a@xn--mnchen-3ya.de", "a@xn--a.de", "a@xn--example-.com", "a@xn--xn---epa.com", "a@\u05d0.com", "a@1.\u05d0",
		"a\x00@example.com", "a\xff@example.com", "a\u200d@\u0915\u094d\u200d.com", "\u1fef@example.com", "\u0345\u0391@example.com",
		"a@\u2100.com", "a@" + strings.Repeat("d.", 126) + "d", strings.Repeat("a", 64) + "@example.com",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		e, err := ParseEmail(s)
		if err != nil {
			return
		}
		for _, again := range []string{e.Key, e.Address, " " + s + "\t"} {
			got, err := ParseEmail(again)
			if err != nil || got.Key != e.Key {
				t.Errorf("%+q has the key %+q, yet %+q has %+q (%v)", s, e.Key, again, got.Key, err)
			}
		}
		local, domain, ok := strings.Cut(e.Key, "@")
		if !ok || local == "" || len(local) > MaxLocalPart || !utf8.ValidString(local) ||
			strings.ContainsFunc(local, func(r rune) bool { return r == '"' || unicode.IsSpace(r) || unicode.IsControl(r) }) {
			t.Errorf("%+q has the key %+q with a bad local part", s, e.Key)
		}
		if len(domain) > MaxDomain || !strings.Contains(domain, ".") ||
			strings.Trim(domain, "abcdefghijklmnopqrstuvwxyz0123456789-_.") != "" {
			t.Errorf("%+q has the key %+q with a bad domain", s, e.Key)
		}
	})
}

// FuzzDomainWaysAgree holds that a domain has one ASCII form, whether it takes
// the short way or the one through IDNA.
func FuzzDomainWaysAgree(f *testing.F) {
	for _, seed := range []string{
		"", ".", "example.com", "Example.COM", "a_b.com", "-a.com", "a--b.com", "ab--c.com", "a..b", ".a.b", "a.b.",
		"a b.com", "a/b.com", "1.2.3.4", "localhost", "\x7f.com", "a\x00.com", "[1.2.3.4]",
		strings.Repeat("d", 63) + ".com", strings.Repeat("d", 64) + ".com", strings.Repeat("d.", 126) + "d", strings.Repeat("d.", 127) + "d",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, domain string) {
		if strings.Contains(strings.ToLower(domain), "xn--") || strings.ContainsFunc(domain, func(r rune) bool { return r >= utf8.RuneSelf }) {
			return // has but one way
		}
		short, shortOK := plainDomain(domain)
		long, longOK := "", false
		if ascii, err := domainProfile.ToASCII(domain); err == nil {
			long, longOK = checkASCIIDomain(ascii)
		}
		if short != long || shortOK != longOK {
			t.Errorf("%q is %q, %v by the short way and %q, %v by IDNA", domain, short, shortOK, long, longOK)
		}
	})
}

// FuzzParseOrgUserID holds that an org id that was taken is taken again as the
// same, and is one that the schema and the log can hold.
func FuzzParseOrgUserID(f *testing.F) {
	for _, seed := range []string{
		"", " ", "E1", " E1\n", "a,b", `"E1"`, "\x00", "E\x7f1", "\xff", "\u0085E1\u2028", "e\u0301", strings.Repeat("\U0001f600", 256), strings.Repeat("x", 257),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		id, err := ParseOrgUserID(s)
		if err != nil {
			if id != "" {
				t.Errorf("%q is refused, yet becomes %q", s, id)
			}
			return
		}
		if again, err := ParseOrgUserID("\t" + id + " "); err != nil || again != id {
			t.Errorf("%q becomes %q, and that %q (%v)", s, id, again, err)
		}
		if !strings.Contains(s, id) || !utf8.ValidString(id) || id != strings.TrimSpace(id) || id == "" ||
			strings.ContainsFunc(id, unicode.IsControl) || utf8.RuneCountInString(id) > 256 {
			t.Errorf("%q becomes %q", s, id)
		}
	})
}
