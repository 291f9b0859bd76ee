package cli

import (
	"fmt"
	"io"
	"strings"
	"unicode"

	"github.com/mattn/go-runewidth"
)

// printable replaces what a terminal would act on rather than show.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, s)
}

// printableLines is printable but for the ends of lines and tabs.
func printableLines(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) || r == '\n' || r == '\t' {
			return r
		}
		return unicode.ReplacementChar
	}, s)
}

// shellWord is s as one word of a command line that a shell reads.
func shellWord(s string) string {
	plain := func(r rune) bool {
		return r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("-_.:/", r))
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(printable(s), "'", `'\''`) + "'"
}

// wrap breaks a help text into lines of 80 columns at most, at its blanks.
func wrap(s string) string {
	var b strings.Builder
	column := 0
	for i, word := range strings.Fields(s) {
		switch {
		case i > 0 && column+1+len(word) > 80:
			b.WriteByte('\n')
			column = 0
		case i > 0:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += len(word)
	}
	return b.String()
}

// Bounds of a text in a table, in columns of the terminal. A text may have four
// times as many characters, since some take no room at all.
const (
	maxCell = 100
	minCell = 24 // a column is not made narrower than this to fit
)

// cell is a text that is fit for a table: printable, and cut to the width.
func cell(s string, width int) string {
	runes := 0
	for i := range s {
		if runes++; runes > 4*maxCell {
			s = s[:i] + "…"
			break
		}
	}
	return runewidth.Truncate(printable(s), width, "…")
}

// writeTable writes rows under a header, in columns as wide as the terminal
// shows their texts. The last column but one is cut where the lines would be
// wider than width. Rows have as many cells as the header, which has two at
// least.
func writeTable(w io.Writer, width int, header []string, rows [][]string) {
	table := [][]string{header}
	widths := make([]int, len(header))
	for i, text := range header {
		widths[i] = runewidth.StringWidth(text)
	}
	for _, row := range rows {
		cells := make([]string, len(row))
		for i, text := range row {
			cells[i] = cell(text, maxCell)
			widths[i] = max(widths[i], runewidth.StringWidth(cells[i]))
		}
		table = append(table, cells)
	}
	total := 2 * (len(widths) - 1)
	for _, n := range widths {
		total += n
	}
	last := len(widths) - 1
	if total > width {
		widths[last-1] = min(widths[last-1], max(minCell, widths[last-1]-(total-width)))
	}
	for _, row := range table {
		var line strings.Builder
		for i, text := range row[:last] {
			line.WriteString(runewidth.FillRight(cell(text, widths[i]), widths[i]+2))
		}
		fmt.Fprintln(w, line.String()+row[last])
	}
}
