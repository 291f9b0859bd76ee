package cli

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"
	"unicode/utf8"
)

// readFile reads a file of people whole; "-" is standard input. It must be
// UTF-8; a byte-order mark is cut.
func (e *env) readFile(name string) ([]byte, error) {
	var text []byte
	var err error
	if name == "-" {
		name = "standard input"
		text, err = io.ReadAll(e.in)
	} else {
		text, err = os.ReadFile(name)
	}
	if err != nil {
		return nil, err
	}
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

// table is a CSV file with a header.
type table struct {
	header []string // folded by foldColumn
	names  []string // as written
	rows   []tableRow
}

type tableRow struct {
	line   int // in the file, from 1
	fields []string
}

// field is the row's text in a column, without the blanks around it; empty
// where the row is too short.
func (r tableRow) field(column int) string {
	if column < 0 || column >= len(r.fields) {
		return ""
	}
	return strings.TrimSpace(r.fields[column])
}

// delimiters of the files that people bring along.
const delimiters = ",;\t|"

// foldColumn makes "Email Id", "email_id" and "emailId" one name.
func foldColumn(name string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || r == '_' || r == '-' {
			return -1
		}
		return unicode.ToLower(r)
	}, name)
}

// firstLine returns the first line that is not blank.
func firstLine(text []byte) string {
	for l := range bytes.Lines(text) {
		if trimmed := strings.TrimSpace(string(l)); trimmed != "" {
			return trimmed
		}
	}
	return ""
}

// splitHeader finds the delimiter with which the line names one of the wanted
// columns, and reports whether there is one.
func splitHeader(line string, wanted ...string) (comma rune, ok bool) {
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
				if foldColumn(f) == foldColumn(w) {
					return d, true
				}
			}
		}
	}
	return 0, false
}

// readTable reads a file with a header, whose delimiter is comma. Blank lines
// are skipped, and blanks around quotes are cut. p is told the lines.
func readTable(text []byte, comma rune, p *progress) (*table, error) {
	r := csv.NewReader(bytes.NewReader(cutBlanks(text, comma)))
	r.Comma = comma
	r.TrimLeadingSpace = comma != '\t' // where a tab is no blank
	r.FieldsPerRecord = -1
	t := &table{}
	for {
		fields, err := r.Read()
		if errors.Is(err, io.EOF) {
			return t, nil
		}
		if err != nil {
			return nil, csvError(err)
		}
		line, _ := r.FieldPos(0)
		p.at(line)
		switch {
		case strings.TrimSpace(strings.Join(fields, "")) == "":
		case t.header == nil:
			for _, name := range fields {
				t.names = append(t.names, strings.TrimSpace(name))
				t.header = append(t.header, foldColumn(name))
			}
		case len(fields) > len(t.header) && strings.TrimSpace(strings.Join(fields[len(t.header):], "")) != "":
			// Its fields may have moved: the id could be somebody else's.
			return nil, fmt.Errorf("line %d has %d fields and the header %d: put a text that holds %q in quotes",
				line, len(fields), len(t.header), comma)
		default:
			t.rows = append(t.rows, tableRow{line, fields})
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

// column returns the index of the column with that name, or -1.
func (t *table) column(name string) int {
	for i, h := range t.header {
		if h == foldColumn(name) {
			return i
		}
	}
	return -1
}
