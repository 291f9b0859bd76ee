// Package excerpt bounds what messages quote. Input may be of any length: a message
// that quotes all of it hides what it has to say. Every package may import it,
// and it imports none of ours.
package excerpt

import (
	"regexp"
	"strconv"
)

// Max is how many characters of an input a message shows.
const Max = 80

// Of returns a text as a message quotes it: all of it, or its beginning and an
// ellipsis, Max characters together. What a message quotes by %q is quoted by this.
func Of[T ~string](text T) string {
	n, cut := 0, 0 // the ellipsis takes the place of the character at cut
	for at := range string(text) {
		switch n++; {
		case n == Max:
			cut = at
		case n > Max:
			return string(text[:cut]) + "…"
		}
	}
	return string(text)
}

// quoted are the texts in quotes of a message, and words that are too long.
var quoted = regexp.MustCompile(`"(?:[^"\\]|\\.)*"|\S{81,}`)

// Message bounds what the message of a library quotes.
func Message(text string) string {
	return quoted.ReplaceAllStringFunc(text, func(found string) string {
		if inside, err := strconv.Unquote(found); err == nil {
			return strconv.Quote(Of(inside))
		}
		return Of(found)
	})
}
