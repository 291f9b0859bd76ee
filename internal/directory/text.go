package directory

import (
	"strings"
	"unicode/utf8"
)

// ValidText reports whether a text can be in the database: it is UTF-8 and has no
// NUL, which PostgreSQL does not store. Requests are checked with it where their paths
// and forms are taken apart.
func ValidText(text string) bool { return utf8.ValidString(text) && !strings.Contains(text, "\x00") }
