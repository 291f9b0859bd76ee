// Package peoplefile reads the files in which people are named: a table with a
// header, as spreadsheets save it, or one id on each line. It guesses at nothing
// that could name somebody else.
package peoplefile

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"roster/internal/directory"
	"roster/internal/excerpt"
)

// Decode returns the text of a file, which must be UTF-8, without a byte-order
// mark. Errors begin with the name.
func Decode(name string, text []byte) ([]byte, error) {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	if bytes.HasPrefix(text, []byte("\xff\xfe")) || bytes.HasPrefix(text, []byte("\xfe\xff")) {
		return nil, fmt.Errorf("%s is UTF-16: save it as UTF-8", name)
	}
	line := 0
	for l := range bytes.Lines(text) {
		line++
		if !utf8.Valid(l) {
			return nil, fmt.Errorf("%s, line %d is not UTF-8: save the file as UTF-8", name, line)
		}
	}
	return text, nil
}

// Table is a CSV file with a header.
type Table struct {
	Header []string // folded by Fold
	Names  []string // as written
	Rows   []Row
}

// Row is a row of a Table.
type Row struct {
	Line   int // in the file, from 1
	fields []string
}

// Field is the row's text in a column, without the blanks around it; empty
// where the row is too short.
func (r Row) Field(column int) string {
	if column < 0 || column >= len(r.fields) {
		return ""
	}
	return strings.TrimSpace(r.fields[column])
}

// delimiters of the files that people bring along.
const delimiters = ",;\t|"

// Fold makes "Email Id", "email_id" and "emailId" one name.
func Fold(name string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || r == '_' || r == '-' {
			return -1
		}
		return unicode.ToLower(r)
	}, name)
}

// FirstLine returns the first line that is not blank.
func FirstLine(text []byte) string {
	for l := range bytes.Lines(text) {
		if trimmed := strings.TrimSpace(string(l)); trimmed != "" {
			return trimmed
		}
	}
	return ""
}

// SplitHeader finds the delimiter with which the line names one of the wanted
// columns, and reports whether there is one.
func SplitHeader(line string, wanted ...string) (comma rune, ok bool) {
	for _, d := range delimiters {
		r := csv.NewReader(strings.NewReader(line))
		r.Comma = d
		r.TrimLeadingSpace = true
		fields, err := r.Read()
		if err != nil {
			continue
		}
		for _, f := range fields {
			for _, w := range wanted {
				if Fold(f) == Fold(w) {
					return d, true
				}
			}
		}
	}
	return 0, false
}

// ReadTable reads a file with a header, whose delimiter is comma. Blank lines
// are skipped, and blanks around quotes are cut. at is told the lines. Errors
// name the line that is wrong.
func ReadTable(text []byte, comma rune, at func(line int)) (*Table, error) {
	r := csv.NewReader(bytes.NewReader(cutBlanks(text, comma)))
	r.Comma = comma
	r.TrimLeadingSpace = comma != '\t' // where a tab is no blank
	r.FieldsPerRecord = -1
	t := &Table{}
	for {
		fields, err := r.Read()
		if errors.Is(err, io.EOF) {
			return t, nil
		}
		if err != nil {
			return nil, csvError(err)
		}
		line, _ := r.FieldPos(0)
		at(line)
		switch {
		case strings.TrimSpace(strings.Join(fields, "")) == "":
		case t.Header == nil:
			for _, name := range fields {
				t.Names = append(t.Names, strings.TrimSpace(name))
				t.Header = append(t.Header, Fold(name))
			}
		case len(fields) > len(t.Header) && strings.TrimSpace(strings.Join(fields[len(t.Header):], "")) != "":
			// Its fields may have moved: the id could be somebody else's.
			return nil, fmt.Errorf("line %d has %d fields and the header %d: put a text that holds %q in quotes",
				line, len(fields), len(t.Header), excerpt.Of(string(comma)))
		default:
			t.Rows = append(t.Rows, Row{line, fields})
		}
	}
}

// csvError names the line of a row that is no CSV. Guessing where its quotes
// should be could join two people into one.
func csvError(err error) error {
	if parse, ok := errors.AsType[*csv.ParseError](err); ok {
		return fmt.Errorf("line %d: %w", parse.Line, parse.Err)
	}
	return err
}

// cutBlanks cuts the blanks between a closing quote and the end of its field,
// which CSV would take for a fault and people's files have.
func cutBlanks(text []byte, comma rune) []byte {
	const (
		start  = iota // of a field, or blanks there
		plain         // in a field without quotes
		quoted        // between the quotes
		closed        // behind the closing quote
	)
	out := make([]byte, 0, len(text))
	state := start
	for i := 0; i < len(text); i++ {
		c := text[i]
		blank := c == ' ' || c == '\t' || c == '\r'
		switch {
		case state == quoted:
			if c == '"' && i+1 < len(text) && text[i+1] == '"' { // a quote that is doubled stands for one
				out = append(out, c)
				i++
			} else if c == '"' {
				state = closed
			}
		case c == '\n' || rune(c) == comma:
			state = start
		case blank && state == closed:
			continue
		case blank:
		case c == '"' && state == start:
			state = quoted
		default:
			state = plain
		}
		out = append(out, c)
	}
	return out
}

// AmbiguousError says that a file could name different people, and what to change.
type AmbiguousError struct{ Message string }

func (e AmbiguousError) Error() string { return e.Message }

// Column returns the index of the column with that name, or -1. If several
// columns have the name, they must hold the same in every row: none is chosen.
func (t *Table) Column(name string) (int, error) {
	first := -1
	for i, h := range t.Header {
		if h != Fold(name) {
			continue
		}
		if first < 0 {
			first = i
			continue
		}
		for _, row := range t.Rows {
			if value(name, row.Field(first)) != value(name, row.Field(i)) {
				return -1, AmbiguousError{fmt.Sprintf("columns %d (%q) and %d (%q) both hold the %s and differ in line %d: delete one of them",
					first+1, excerpt.Of(t.Names[first]), i+1, excerpt.Of(t.Names[i]), name, row.Line)}
			}
		}
	}
	return first, nil
}

// value is the form in which the texts of a column are compared.
func value(column, text string) string {
	if column == emailID {
		if email, err := directory.ParseEmail(text); err == nil {
			return email.Key
		}
	}
	return text
}
