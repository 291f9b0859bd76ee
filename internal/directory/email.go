package directory

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/text/unicode/norm"
)

// Bounds of an e-mail address, in bytes of its compared form.
const (
	MaxLocalPart = 64
	MaxDomain    = 253
)

// Email is an e-mail address that passed ParseEmail.
type Email struct {
	// Address is how its owner spells it: trimmed and in NFC.
	Address string
	// Key is the form in which addresses are compared and stored in indexes.
	Key string
}

// domainProfile turns a domain into its ASCII form. It is not idna.Lookup: that
// profile refuses names in use such as a_b.example.
var domainProfile = idna.New(
	idna.MapForLookup(),
	idna.Transitional(false),
	idna.StrictDomainName(false),
	idna.CheckHyphens(false),
	idna.VerifyDNSLength(true),
)

// ParseEmail checks an address against the one grammar used everywhere: a local
// part of 1-64 bytes in any script without blanks, double quotes or control
// characters, an @, and a domain of 1-253 bytes with a dot whose ASCII form has
// letters, digits, hyphens and underscores only. Blanks around it are cut.
//
// The local part is compared in simple lower case, not in full case folding,
// which would make strasse@ and straße@ one person. The error wraps ErrInvalid.
func ParseEmail(s string) (Email, error) {
	trimmed := strings.TrimSpace(s)
	if len(trimmed) > 8*(MaxLocalPart+MaxDomain) || !utf8.ValidString(trimmed) {
		return Email{}, errEmail
	}
	address := norm.NFC.String(trimmed)
	local, domain, ok := strings.Cut(address, "@")
	if !ok || strings.Contains(domain, "@") {
		return Email{}, errEmail
	}
	// Lower case can leave NFC (J with caron has no capital of its own), so
	// the form is normalised once more.
	local = norm.NFC.String(simpleLower(local))
	if local == "" || len(local) > MaxLocalPart || strings.ContainsFunc(local, notInLocalPart) {
		return Email{}, errEmail
	}
	domain, ok = domainKey(domain)
	if !ok {
		return Email{}, errEmail
	}
	if i := len(local); i+1+len(domain) == len(address) && address[:i] == local && address[i+1:] == domain {
		return Email{Address: address, Key: address}, nil // most are spelt as they are compared
	}
	return Email{Address: address, Key: local + "@" + domain}, nil
}

var errEmail = Errorf(ErrInvalid, "not an e-mail address")

// simpleLower maps every letter to its simple lower case of Unicode.
// strings.ToLower does the same letter by letter and does not depend on a language.
func simpleLower(s string) string { return strings.ToLower(s) }

func notInLocalPart(r rune) bool {
	return r == '"' || unicode.IsSpace(r) || unicode.IsControl(r)
}

// domainKey returns the ASCII form of a domain, and whether it is one.
func domainKey(domain string) (string, bool) {
	if ascii, ok := plainDomain(domain); ok {
		return ascii, true
	}
	ascii, err := domainProfile.ToASCII(domain)
	if err != nil {
		return "", false
	}
	// Mapping can bring forth any ASCII character, so the result is checked
	// like a domain that came as ASCII.
	return checkASCIIDomain(ascii)
}

// plainDomain takes the short way for domains that need no IDNA.
func plainDomain(domain string) (string, bool) {
	for i := range len(domain) {
		if domain[i] >= utf8.RuneSelf {
			return "", false
		}
	}
	lower := strings.ToLower(domain)
	if strings.HasPrefix(lower, "xn--") || strings.Contains(lower, ".xn--") {
		return "", false
	}
	return checkASCIIDomain(lower)
}

func checkASCIIDomain(domain string) (string, bool) {
	if domain == "" || len(domain) > MaxDomain || !strings.Contains(domain, ".") {
		return "", false
	}
	for label := range strings.SplitSeq(domain, ".") {
		if label == "" || len(label) > 63 {
			return "", false
		}
		for i := range len(label) {
			c := label[i]
			if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
				return "", false
			}
		}
	}
	return domain, true
}
