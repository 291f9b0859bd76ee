package directory

import (
	"errors"
	"slices"
	"strings"
	"testing"
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
			if tt.want != nil && (err != nil || !slices.Equal(got, tt.want)) {
				t.Errorf("%q, %v; want %q", got, err, tt.want)
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
	if want := "jose de la cruz\njose@example.com\ne-17"; text != want {
		t.Errorf("%q, want %q", text, want)
	}
	if want := "jose de la cruz\njose@example.com"; sortName != want {
		t.Errorf("%q, want %q", sortName, want)
	}
	long := &Profile{FirstName: strings.Repeat("é", MaxProfileText), LastName: "Last"}
	_, one := SearchText(long, "one@example.com", "")
	text, two := SearchText(long, "two@example.com", "")
	if one == two || len(one) > maxSortName*4+400 || !strings.Contains(text, " last\n") {
		t.Errorf("%q and %q of a long name", one, two)
	}
	if text, _ := SearchText(&Profile{}, "x@example.com", ""); text != "\nx@example.com" {
		t.Errorf("%q without a name", text)
	}
}
