// Package csvfile writes the CSV files of the console, the API and the command
// line. It guards cells that a spreadsheet would take for a formula, and removes
// that guard when such a file is read again. It does not parse CSV.
package csvfile

import (
	"encoding/csv"
	"io"
	"strings"
)

// formula holds the characters with which a spreadsheet begins a formula, alone
// or once it has dropped the blank: see OWASP, CSV injection.
const formula = "=+-@\t\r\n＝＋－＠"

// Guard returns a cell that no spreadsheet takes for a formula: an apostrophe
// precedes a text that begins one. It also precedes the texts that Guard makes,
// so that Unguard finds the text again.
func Guard(cell string) string {
	if begins(cell) {
		return "'" + cell
	}
	return cell
}

// Unguard returns the text of a cell that Guard made.
func Unguard(cell string) string {
	if text, ok := strings.CutPrefix(cell, "'"); ok && begins(text) {
		return text
	}
	return cell
}

// begins says whether a text begins with a formula, or with apostrophes before one.
func begins(text string) bool {
	text = strings.TrimLeft(text, "'")
	return text != "" && strings.IndexAny(text, formula) == 0
}

// Writer writes the rows of one file.
type Writer struct{ csv *csv.Writer }

// NewWriter returns a Writer whose rows go to w.
func NewWriter(w io.Writer) *Writer { return &Writer{csv.NewWriter(w)} }

// Write writes a row. The first error stays.
func (w *Writer) Write(cells ...string) error {
	row := make([]string, len(cells))
	for i, cell := range cells {
		row[i] = Guard(cell)
	}
	return w.csv.Write(row)
}

// Flush writes what is buffered, and returns the first error.
func (w *Writer) Flush() error {
	w.csv.Flush()
	return w.csv.Error()
}
