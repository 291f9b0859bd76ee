package publicapi

import (
	"net/url"
	"strings"
	"unicode"
)

// effect says what a call of an endpoint may do, and with that which options it
// takes. Each row of the route table names one, so no endpoint can go without the
// check of readOptions and of the keys of its body.
type effect int

const (
	changes  effect = iota // changes something, and has neither dryRun nor atomic
	previews               // changes something, and has both
	reads                  // changes nothing: there is no option to misspell
)

// options are what the query of a call asks for.
type options struct {
	dryRun, atomic bool
	codes          bool // each failure with its code
}

// readOptions reads the query of a call with that effect. A parameter that could be
// meant for dryRun or atomic and is not exactly that is an error: to ignore a
// misspelt dryRun would remove users.
func readOptions(rawQuery string, e effect) (o options, err error) {
	query, err := url.ParseQuery(rawQuery)
	if err != nil {
		return o, errValidation
	}
	o.codes = query.Get("reasons") == "codes"
	if e == reads {
		return o, nil
	}
	known := map[string]*bool{}
	if e == previews {
		known = map[string]*bool{"dryRun": &o.dryRun, "atomic": &o.atomic}
	}
	for name, values := range query {
		if !resemblesOption(name) {
			continue
		}
		on := known[name]
		if on == nil || len(values) != 1 || (values[0] != "true" && values[0] != "false") {
			return o, errValidation
		}
		*on = values[0] == "true"
	}
	return o, nil
}

// resemblesOption says whether the name of a query parameter, or of a key of a
// body, could be meant for a preview or for all or nothing.
func resemblesOption(name string) bool {
	letters := strings.Map(func(r rune) rune {
		if !unicode.IsLetter(r) {
			return -1
		}
		return unicode.ToLower(r)
	}, name)
	switch letters {
	case "preview", "simulate", "whatif", "noop", "test":
		return true
	}
	return strings.Contains(letters, "dryrun") || strings.Contains(letters, "atomic")
}
