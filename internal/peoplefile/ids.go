package peoplefile

import (
	"fmt"
	"slices"
	"strings"

	"roster/internal/csvfile"
	"roster/internal/excerpt"
)

// IDs are the people whom a file names.
type IDs struct {
	IDs []string
	// ByOrgID says that they are the organisation's own ids, not addresses: never
	// both, since the two could name two people in one row.
	ByOrgID bool
	// Skipped are the lines of rows that name nobody.
	Skipped []int
}

// Column is the name of the column that the ids are of.
func (l IDs) Column() string {
	if l.ByOrgID {
		return orgUserID
	}
	return emailID
}

const (
	emailID   = "emailId"
	orgUserID = "orgUserId"
)

// ReadIDs reads a file of people: a table whose header names a column emailId or
// orgUserId, or one id on each line. Of both columns emailId counts, unless
// orgIDs asks for the other; without a header orgIDs says what the ids are.
func ReadIDs(text []byte, orgIDs bool) (l IDs, err error) {
	comma, ok := SplitHeader(FirstLine(text), emailID, orgUserID)
	if !ok {
		l.ByOrgID = orgIDs
		l.IDs, err = parseLines(text)
		return l, err
	}
	t, err := ReadTable(text, comma, func(int) {})
	if err != nil {
		return l, err
	}
	l.ByOrgID = orgIDs || !slices.Contains(t.Header, Fold(emailID))
	column, err := t.Column(l.Column())
	if err != nil {
		return l, err
	}
	if column < 0 {
		return l, fmt.Errorf("it has no column %s", l.Column())
	}
	if t.isReport() {
		if err := t.unguard(column); err != nil {
			return l, err
		}
	}
	for _, row := range t.Rows {
		if id := row.Field(column); id != "" {
			l.IDs = append(l.IDs, id)
		} else {
			l.Skipped = append(l.Skipped, row.Line)
		}
	}
	return l, nil
}

// isReport says whether the table has the header of a report that the console, the
// API or the command line wrote.
func (t *Table) isReport() bool {
	return slices.Contains(t.Header, "reason") &&
		(slices.Contains(t.Header, "reasoncode") || slices.Contains(t.Header, "removalid"))
}

// unguard removes the apostrophes that a report has before texts that a spreadsheet
// would take for formulas. It does not in other tables, where 'x may be the id.
func (t *Table) unguard(column int) error {
	plain := map[string]int{} // line, by ids that a report would have guarded
	for _, row := range t.Rows {
		if id := row.Field(column); csvfile.Guard(id) != id && csvfile.Unguard(id) == id {
			plain[id] = row.Line
		}
	}
	for i := range t.Rows {
		row := &t.Rows[i]
		id := row.Field(column)
		text := csvfile.Unguard(id)
		if text == id {
			continue
		}
		if line, both := plain[text]; both {
			return AmbiguousError{fmt.Sprintf("lines %d (%q) and %d (%q) may name one user or two: delete one of them, or the apostrophe",
				line, excerpt.Of(text), row.Line, excerpt.Of(id))}
		}
		row.fields[column] = text
	}
	return nil
}

// parseLines reads a file with one id on each line, in quotes or not.
func parseLines(text []byte) (ids []string, err error) {
	line := 0
	for l := range strings.Lines(string(text)) {
		line++
		id := strings.TrimSpace(l)
		switch {
		case id == "":
			continue
		case len(id) > 1 && id[0] == '"' && id[len(id)-1] == '"':
			id = strings.TrimSpace(strings.ReplaceAll(id[1:len(id)-1], `""`, `"`))
		case strings.ContainsAny(id, delimiters):
			return nil, fmt.Errorf("line %d has several columns, and the first line does not name them: add a header with emailId or orgUserId", line)
		}
		ids = append(ids, id)
	}
	return ids, nil
}
