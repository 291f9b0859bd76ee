package peoplefile

import (
	"fmt"
	"slices"
	"strings"

	"roster/internal/excerpt"
	"roster/internal/roster"
)

// Columns are the names of the columns of an import file, emailId first.
func Columns() []string {
	names := []string{emailID, orgUserID}
	for _, f := range (&roster.ImportRow{}).Profile.Fields() {
		names = append(names, f.Name)
	}
	return names
}

// ReadPeople reads a file of people to be imported: a table whose header names
// Columns, emailId among them. at is told the lines. A column of another name
// is an error, so that no text is lost unseen.
func ReadPeople(text []byte, at func(line int)) ([]roster.ImportRow, error) {
	columns := Columns()
	comma, ok := SplitHeader(FirstLine(text), emailID)
	if !ok {
		return nil, fmt.Errorf("the first line must name the columns, emailId among them, not %q", excerpt.Of(FirstLine(text)))
	}
	t, err := ReadTable(text, comma, at)
	if err != nil {
		return nil, err
	}
	for i, name := range t.Header {
		known := slices.ContainsFunc(columns, func(c string) bool { return Fold(c) == name })
		if !known {
			return nil, fmt.Errorf("column %q is not known: rename or delete it; the known ones are %s", excerpt.Of(t.Names[i]), strings.Join(columns, ", "))
		}
	}
	column := make(map[string]int, len(columns))
	for _, name := range columns {
		if column[name], err = t.Column(name); err != nil {
			return nil, err
		}
	}
	rows := make([]roster.ImportRow, len(t.Rows))
	for i, row := range t.Rows {
		rows[i] = roster.ImportRow{Line: row.Line, Email: row.Field(column[emailID]), OrgUserID: row.Field(column[orgUserID])}
		for _, f := range rows[i].Profile.Fields() {
			*f.Text = row.Field(column[f.Name])
		}
	}
	return rows, nil
}
