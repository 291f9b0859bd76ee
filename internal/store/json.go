package store

import (
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// A statement with a JSON list takes the account into it, and list ends the
// query of the list. The account is then a column to join by and no constant,
// which the planners would otherwise believe to be the better half of an index:
// without statistics (a SQLite file never has any, a PostgreSQL table has none
// at first) both take an account for a handful of rows and walk all of it. The
// limit, which none is, keeps PostgreSQL from seeing through this.
//
// The range, which holds every key, makes PostgreSQL expect one element instead
// of a hundred. For a hundred it would walk a table of up to 25,000 rows, or of many
// more as long as it has no statistics, also when the list names one.
const (
	noLimit = `LIMIT 9223372036854775807`
	list    = `WHERE key BETWEEN 0 AND 9223372036854775807 ` + noLimit
	idList  = `(SELECT CAST($1 AS BIGINT), CAST(j.atom AS BIGINT) FROM json_each($2) j ` + list + `)`
)

// jsonInts renders keys as a JSON array, the one parameter of a set-based statement.
func jsonInts[T ~int64](ids []T) string {
	return jsonArray(len(ids), 8*len(ids), func(b []byte, i int) []byte {
		return strconv.AppendInt(b, int64(ids[i]), 10)
	})
}

// jsonTexts renders texts as a JSON array.
func jsonTexts(texts []string) string {
	size := 0
	for _, text := range texts {
		size += len(text) + len(`"",`)
	}
	return jsonArray(len(texts), size, func(b []byte, i int) []byte { return appendJSON(b, texts[i]) })
}

// jsonArray renders n elements, of about size bytes together. It makes one copy
// of what may be megabytes.
func jsonArray(n, size int, appendElement func(b []byte, i int) []byte) string {
	var out strings.Builder
	out.Grow(size + len("[]"))
	out.WriteByte('[')
	var element []byte
	for i := range n {
		element = element[:0]
		if i > 0 {
			element = append(element, ',')
		}
		element = appendElement(element, i)
		out.Write(element)
	}
	out.WriteByte(']')
	return out.String()
}

// jsonRow is a row of a jsonRows array: texts and integers.
type jsonRow []any

// jsonRows renders rows as a JSON array of arrays.
func jsonRows(n int, row func(i int) jsonRow) string {
	b := make([]byte, 0, 2+64*n)
	b = append(b, '[')
	for i := range n {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '[')
		for k, v := range row(i) {
			if k > 0 {
				b = append(b, ',')
			}
			switch v := v.(type) {
			case int64:
				b = strconv.AppendInt(b, v, 10)
			case string:
				b = appendJSON(b, v)
			default:
				panic("store: a JSON row holds texts and integers")
			}
		}
		b = append(b, ']')
	}
	return string(append(b, ']'))
}

func appendJSON(b []byte, text string) []byte {
	// It fails on invalid UTF-8 alone, which the rules have refused before and
	// which it replaces all the same.
	b, _ = jsontext.AppendQuote(b, text)
	return b
}
