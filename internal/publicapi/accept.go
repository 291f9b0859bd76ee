package publicapi

import (
	"mime"
	"net/http"
	"strconv"
	"strings"
)

// prefersCSV says whether a client would rather have CSV than JSON, by its
// header Accept. Between equals the type that it names more closely counts, and
// otherwise JSON; so it does where the header is not there, names neither or
// cannot be read.
func prefersCSV(h http.Header) bool {
	var csv, json preference
	for _, value := range h.Values("Accept") {
		for text := range strings.SplitSeq(value, ",") {
			mediaRange, params, err := mime.ParseMediaType(text)
			if err != nil {
				continue
			}
			q := weight(params["q"])
			csv.consider(mediaRange, "text", "csv", q)
			json.consider(mediaRange, "application", "json", q)
		}
	}
	switch {
	case csv.weight <= 0:
		return false
	case csv.weight != json.weight:
		return csv.weight > json.weight
	}
	return csv.closeness > json.closeness
}

// preference is what a header Accept says about a media type: the word of the
// range that names it most closely.
type preference struct {
	closeness int // 0 not named, 1 by */*, 2 by type/*, 3 by itself
	weight    float64
}

func (p *preference) consider(mediaRange, main, sub string, weight float64) {
	closeness := 0
	switch mediaRange {
	case main + "/" + sub:
		closeness = 3
	case main + "/*":
		closeness = 2
	case "*/*":
		closeness = 1
	}
	if closeness > p.closeness {
		*p = preference{closeness, weight}
	}
}

// weight reads how much a media range is wanted, from 0 to 1, and 1 where it does
// not say. What is no weight is 0.
func weight(text string) float64 {
	if text == "" {
		return 1
	}
	q, err := strconv.ParseFloat(text, 64)
	if err != nil || !(q >= 0 && q <= 1) { // NaN is none
		return 0
	}
	return q
}
