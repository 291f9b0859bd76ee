package directory

import (
	"errors"
	"strings"
	"testing"
)

func TestEmailKeyIsOnePersonsWhateverTheSpelling(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, in, address, key string
	}{
		{"plain", "ada@example.com", "ada@example.com", "ada@example.com"},
		{"capitals", "Ada.Lovelace@Example.COM", "Ada.Lovelace@Example.COM", "ada.lovelace@example.com"},
		{"blanks around", " \t\u00a0ada@example.com\u3000\r\n", "ada@example.com", "ada@example.com"},
		{"plus and apostrophe", "o'brien+tag@example.com", "o'brien+tag@example.com", "o'brien+tag@example.com"},
		{"dots anywhere in the local part", ".a..b.@example.com", ".a..b.@example.com", ".a..b.@example.com"},
		{"decomposed local part", "e\u0301va@example.com", "\u00e9va@example.com", "\u00e9va@example.com"},
		{"decomposed capital", "E\u0301VA@example.com", "\u00c9VA@example.com", "\u00e9va@example.com"},
		{"J with caron has no capital", "J\u030can@example.com", "J\u030can@example.com", "\u01f0an@example.com"},
		{"Kelvin sign", "\u212aai@example.com", "Kai@example.com", "kai@example.com"},
		{"Ohm sign", "\u2126@example.com", "\u03a9@example.com", "\u03c9@example.com"},
		{"capital I with dot", "\u0130pek@example.com", "\u0130pek@example.com", "ipek@example.com"},
		{"dotless i stays", "\u0131lk@example.com", "\u0131lk@example.com", "\u0131lk@example.com"},
		{"capital sharp s", "STRA\u1e9eE@example.com", "STRA\u1e9eE@example.com", "stra\u00dfe@example.com"},
		{"capital sigma never becomes final", "\u0391\u03a3@example.com", "\u0391\u03a3@example.com", "\u03b1\u03c3@example.com"},
		{"longer in lower case", "\u023a@example.com", "\u023a@example.com", "\u2c65@example.com"},
		{"domain with umlaut", "a@M\u00dcNCHEN.example", "a@M\u00dcNCHEN.example", "a@xn--mnchen-3ya.example"},
		{"decomposed domain", "a@mu\u0308nchen.example", "a@m\u00fcnchen.example", "a@xn--mnchen-3ya.example"},
		{"domain in its ASCII form", "a@XN--MNCHEN-3YA.example", "a@XN--MNCHEN-3YA.example", "a@xn--mnchen-3ya.example"},
		{"sharp s in a domain is not ss", "a@fa\u00df.example", "a@fa\u00df.example", "a@xn--fa-hia.example"},
		{"ideographic dots", "a@b\u3002c\uff0ed\uff61example", "a@b\u3002c\uff0ed\uff61example", "a@b.c.d.example"},
		{"full-width domain", "a@\uff21\uff11.example", "a@\uff21\uff11.example", "a@a1.example"},
		{"Kelvin sign in a domain", "a@\u212a.example", "a@K.example", "a@k.example"},
		{"underscore", "a@a_b.example", "a@a_b.example", "a@a_b.example"},
		{"hyphens where registries forbid them", "a@-a--b-.example", "a@-a--b-.example", "a@-a--b-.example"},
		{"digits", "1@1.2.3.4", "1@1.2.3.4", "1@1.2.3.4"},
		{"soft hyphen in a domain", "a@soft\u00adhyphen.example", "a@soft\u00adhyphen.example", "a@softhyphen.example"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := ParseEmail(tt.in)
			if err != nil {
				t.Fatalf("ParseEmail(%q): %v", tt.in, err)
			}
			if want := (Email{Address: tt.address, Key: tt.key}); got != want {
				t.Errorf("ParseEmail(%q) = %+q, want %+q", tt.in, got, want)
			}
		})
	}
}

func TestEmailKeyKeepsDifferentPeopleApart(t *testing.T) {
	t.Parallel()
	for _, pair := range [][2]string{
		{"stra\u00dfe@example.com", "strasse@example.com"},
		{"\ufb01ona@example.com", "fiona@example.com"}, // a ligature
		{"\u0131lk@example.com", "ilk@example.com"},
		{"\u03c2@example.com", "\u03c3@example.com"}, // final sigma
		{"\uff41@example.com", "a@example.com"},      // full-width a
		{"a\u200bb@example.com", "ab@example.com"},
		{"a@fa\u00df.example", "a@fass.example"},
		{"a.b@example.com", "ab@example.com"},
		{"a+b@example.com", "a@example.com"},
		{"\u0430@example.com", "a@example.com"}, // Cyrillic
		{"a@b.example", "a@b.example.com"},
	} {
		a, errA := ParseEmail(pair[0])
		b, errB := ParseEmail(pair[1])
		if err := errors.Join(errA, errB); err != nil {
			t.Errorf("%+q: %v", pair, err)
		} else if a.Key == b.Key {
			t.Errorf("%+q are one person under %+q", pair, a.Key)
		}
	}
}

func TestEmailGrammarRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, in string }{
		{"nothing", ""},
		{"blanks", " \t\u3000"},
		{"no at sign", "ada.example.com"},
		{"at sign alone", "@"},
		{"no local part", "@example.com"},
		{"no domain", "ada@"},
		{"two at signs", "ada@home@example.com"},
		{"two at signs at the end", "ada@example.com@"},
		{"full-width at sign for the at sign", "ada\uff20example.com"},
		{"full-width at sign in the domain", "ada@home\uff20example.com"},
		{"no dot in the domain", "ada@localhost"},
		{"domain starts with a dot", "ada@.example.com"},
		{"domain ends with a dot", "ada@example.com."},
		{"domain ends with an ideographic dot", "ada@example.com\u3002"},
		{"empty label", "ada@example..com"},
		{"empty label from a soft hyphen", "ada@example.\u00ad.com"},
		{"nothing but dots", "ada@.."},
		{"blank in the local part", "ada lovelace@example.com"},
		{"tab in the local part", "ada\t@example.com"},
		{"no-break space in the local part", "ada\u00a0l@example.com"},
		{"line separator in the local part", "ada\u2028l@example.com"},
		{"blank before the at sign", "ada @example.com"},
		{"blank after the at sign", "ada@ example.com"},
		{"blank in the domain", "ada@exam ple.com"},
		{"quoted local part", `"ada"@example.com`},
		{"quote in the local part", `a"da@example.com`},
		{"quote in the domain", `ada@exam"ple.com`},
		{"display name", "Ada <ada@example.com>"},
		{"angle brackets", "<ada@example.com>"},
		{"mailto", "mailto:ada@example.com?subject=x"},
		{"list", "ada@example.com,bob@example.com"},
		{"NUL", "ada\x00@example.com"},
		{"NUL in the domain", "ada@example\x00.com"},
		{"escape", "ada\x1b[31m@example.com"},
		{"delete", "ada\x7f@example.com"},
		{"C1 control", "ada\u0085x@example.com"},
		{"control in the domain", "ada@exam\u0007ple.com"},
		{"invalid UTF-8", "ada\xff@example.com"},
		{"invalid UTF-8 in the domain", "ada@exam\xc3ple.com"},
		{"address literal", "ada@[192.0.2.1]"},
		{"slash in the domain", "ada@example.com/x"},
		{"slash that mapping brings forth", "ada@\u2100.example"},
		{"brackets that mapping brings forth", "ada@\u2474.example"},
		{"punycode that is none", "ada@xn--a.example"},
		{"punycode of nothing", "ada@xn--.example"},
		{"punycode of plain ASCII", "ada@xn--example-.com"},
		{"surrogate half as bytes", "ada\xed\xa0\x80@example.com"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got, err := ParseEmail(tt.in); !errors.Is(err, ErrInvalid) {
				t.Errorf("ParseEmail(%q) = %+q, %v; want an error that wraps ErrInvalid", tt.in, got, err)
			} else if got != (Email{}) {
				t.Errorf("ParseEmail(%q) returns %+q beside its error", tt.in, got)
			}
		})
	}
}

func TestEmailLengthCountsBytesOfTheComparedForm(t *testing.T) {
	t.Parallel()
	label := strings.Repeat("d", 63)
	domain253 := strings.Repeat(label+".", 3) + strings.Repeat("d", 61)
	if len(domain253) != 253 {
		t.Fatalf("the test's own domain has %d bytes", len(domain253))
	}
	tests := []struct {
		name, in string
		ok       bool
	}{
		{"local part of 64", strings.Repeat("a", 64) + "@example.com", true},
		{"local part of 65", strings.Repeat("a", 65) + "@example.com", false},
		{"32 letters of two bytes", strings.Repeat("\u00e9", 32) + "@example.com", true},
		{"33 letters of two bytes", strings.Repeat("\u00e9", 33) + "@example.com", false},
		{"decomposed, 96 bytes as sent, 64 compared", strings.Repeat("e\u0301", 32) + "@example.com", true},
		{"64 bytes as sent, 96 in lower case", strings.Repeat("\u023a", 32) + "@example.com", false},
		{"label of 63", "a@" + label + ".example", true},
		{"label of 64", "a@" + label + "d.example", false},
		{"IDN label of 63 in ASCII", "a@" + strings.Repeat("d", 55) + "\u00fc.example", true},
		{"IDN label of 64 in ASCII", "a@" + strings.Repeat("d", 56) + "\u00fc.example", false},
		{"domain of 253", "a@" + domain253, true},
		{"domain of 254", "a@" + domain253 + "d", false},
		{"both at their longest", strings.Repeat("a", 64) + "@" + domain253, true},
		{"a megabyte", strings.Repeat("a", 1<<20) + "@example.com", false},
		{"a megabyte of domain", "a@" + strings.Repeat("d.", 1<<19) + "example", false},
		{"blanks do not count", strings.Repeat(" ", 1<<16) + "a@example.com", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if _, err := ParseEmail(tt.in); (err == nil) != tt.ok {
				t.Errorf("%d bytes: %v, want ok: %v", len(tt.in), err, tt.ok)
			}
		})
	}
}

// Every character of the planes that have letters, in a local part and in a
// domain: reading a key again gives the key.
func TestEmailKeyIsStableForEveryCharacter(t *testing.T) {
	t.Parallel()
	for r := rune(0); r <= 0x1ffff; r++ {
		for _, in := range []string{string(r) + "x@example.com", "x@a" + string(r) + "b.example"} {
			e, err := ParseEmail(in)
			if err != nil {
				continue
			}
			if again, err := ParseEmail(e.Key); err != nil || again.Key != e.Key {
				t.Fatalf("%+q has the key %+q, which has the key %+q (%v)", in, e.Key, again.Key, err)
			}
			if upper, err := ParseEmail(strings.ToUpper(e.Key)); r < 0x80 && (err != nil || upper.Key != e.Key) {
				t.Fatalf("%+q has the key %+q, its capitals have %+q (%v)", in, e.Key, upper.Key, err)
			}
		}
	}
}
