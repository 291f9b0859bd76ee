package publicapi

import (
	"net/http"
	"strings"
	"testing"
)

func TestPrefersCSV(t *testing.T) {
	t.Parallel()
	for accept, want := range map[string]bool{
		"":                                    false,
		"text/csv":                            true,
		"Text/CSV":                            true,
		" text/csv ; charset=utf-8":           true,
		"text/csv;header=present;q=0.1":       true,
		"text/*":                              true,
		"text/csv, */*":                       true,
		"*/*, text/csv":                       true,
		"text/csv, */*;q=0.1":                 true,
		"application/json;q=0.9, text/csv":    true,
		"application/json;q=0, */*":           true,
		"application/*, text/csv":             true,
		"image/png, text/csv;q=0.001":         true,
		"nonsense, text/csv":                  true,
		"text/csv\nimage/png":                 true, // two headers
		"application/json\ntext/csv;q=0.5":    false,
		"*/*":                                 false,
		"application/json":                    false,
		"application/json, text/csv":          false,
		"text/csv, application/json":          false,
		"text/csv;q=0.5, application/json":    false,
		"text/csv;q=0":                        false,
		"text/csv;q=0, text/*, */*":           false,
		"text/*, application/json":            false,
		"text/csv;q=0.5, */*":                 false,
		"text/csv;q=2":                        false,
		"text/csv;q=-1":                       false,
		"text/csv;q=NaN":                      false,
		"text/csv;q=much":                     false,
		"text/csvx":                           false,
		"text/html,application/xml;q=.9, */*": false,
		"image/png":                           false,
		", ,":                                 false,
		"text/":                               false,
	} {
		h := http.Header{}
		for line := range strings.Lines(accept) {
			h.Add("Accept", strings.TrimSuffix(line, "\n"))
		}
		if got := prefersCSV(h); got != want {
			t.Errorf("Accept %q: %v", accept, got)
		}
	}
}
