package directory

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"unicode"

	"pgregory.net/rapid"
)

func TestWordsOfASearch(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, search string
		want         []string // nil where it is refused
	}{
		{"nothing", " ", []string{}},
		{"lower case", "ANN", []string{"ann"}},
		{"accents", "José MÜLLER", []string{"jose", "muller"}},
		{"composed and not", "e\u0301va", []string{"eva"}},
		{"sharp s", "STRASSE straße STRAẞE", []string{"strasse", "strasse", "strasse"}},
		{"final sigma", "ΟΔΥΣΣΕΥΣ Οδυσσεύς", []string{"οδυσσευσ", "οδυσσευσ"}},
		{"dotted I", "İnan inan", []string{"inan", "inan"}},
		{"blanks", " ann \u00a0 de  ", []string{"ann", "de"}},
		{"other scripts", "李明亮", []string{"李明亮"}},
		{"signs", `50%_\"`, []string{`50%_\"`}},
		{"compatible forms", "Ⅷ-Ａnn", []string{"viii-ann"}},
		{"too short", "ab", nil},
		{"too short each", "ab cd", nil},
		{"nothing but accents", "\u0301\u0301\u0301", nil},
		{"longest", strings.Repeat("x", MaxUserSearch), []string{strings.Repeat("x", MaxUserSearch)}},
		{"too long", strings.Repeat("x", MaxUserSearch+1), nil},
		{"control", "ann\x00", nil},
		{"newline", "ann\nsmith", nil},
		{"not UTF-8", "ann\xff", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			q := UserQuery{Search: tt.search, Limit: 1}
			got, err := q.Words()
			if tt.want == nil && !errors.Is(err, ErrInvalid) {
				t.Errorf("%q, %v; want ErrInvalid", got, err)
			}
			var want []string
			for _, word := range tt.want {
				want = append(want, searchCode(word))
			}
			if tt.want != nil && (err != nil || !slices.Equal(got, want)) {
				t.Errorf("%q, %v; want %q", got, err, want)
			}
		})
	}
}

// Every part of what is typed of a name, an address or an id finds its user, and the
// texts to sort by tell all users apart.
func TestSearchText(t *testing.T) {
	t.Parallel()
	p := &Profile{FirstName: " José ", LastName: "de la  Cruz"}
	text, sortName := SearchText(p, "jose@example.com", "É-17")
	if want := searchCode("jose de la cruz\njose@example.com\ne-17"); text != want {
		t.Errorf("%q, want %q", text, want)
	}
	if want := "jose de la cruz\njose@example.com"; sortName != want {
		t.Errorf("%q, want %q", sortName, want)
	}
	long := &Profile{FirstName: strings.Repeat("é", MaxProfileText), LastName: "Last"}
	_, one := SearchText(long, "one@example.com", "")
	text, two := SearchText(long, "two@example.com", "")
	if one == two || len(one) > maxSortName*4+400 || !strings.Contains(text, searchCode(" last\n")) {
		t.Errorf("%q and %q of a long name", one, two)
	}
	if text, _ := SearchText(&Profile{}, "x@example.com", ""); text != searchCode("\nx@example.com") {
		t.Errorf("%q without a name", text)
	}
}

// A character is found in whatever case it is typed, and by itself alone. That the
// capital of the dotless i is I is the one thing that is not folded.
func TestEachCharacterIsFound(t *testing.T) {
	t.Parallel()
	codes := map[string]string{}
	for r := ' '; r <= unicode.MaxRune; r++ {
		if r == 'ı' || !unicode.IsGraphic(r) {
			continue
		}
		s := string(r)
		folded := foldText(s)
		for _, other := range []string{strings.ToUpper(s), strings.ToLower(s), strings.ToTitle(s), folded} {
			if got := foldText(other); got != folded {
				t.Fatalf("%U is %q and %q", r, folded, got)
			}
		}
		code := searchCode(folded)
		if other, ok := codes[code]; ok && other != folded {
			t.Fatalf("%q and %q have the code %s", folded, other, code)
		}
		codes[code] = folded
	}
}

// A text is a part of another if and only if their codes are.
func TestCodesOfParts(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		letters := rapid.StringOf(rapid.SampledFrom([]rune("ab1.@ -é李亮\u00a9\u0429\U0001f600")))
		text, part := letters.Draw(t, "text"), letters.Draw(t, "part")
		if rapid.Bool().Draw(t, "is part") {
			runes := []rune(text)
			from := rapid.IntRange(0, len(runes)).Draw(t, "from")
			part = string(runes[from:rapid.IntRange(from, len(runes)).Draw(t, "to")])
		}
		code := searchCode(text)
		if got, want := strings.Contains(code, searchCode(part)), strings.Contains(text, part); got != want {
			t.Fatalf("%q in %q: %v, want %v", part, text, got, want)
		}
		if i := strings.IndexFunc(code, func(r rune) bool { return r > 'z' || !unicode.IsLetter(r) && !unicode.IsDigit(r) }); i >= 0 {
			t.Fatalf("%q has other than letters and digits", code)
		}
	})
}
