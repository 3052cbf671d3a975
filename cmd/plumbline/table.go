package main

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/plumbline-dev/plumbline/internal/term"
)

const (
	lastColumn  = 10 // what the last column keeps of a narrow terminal, where it is cut
	wholeColumn = 30 // less isn't enough for a last column that is read to its end
)

// printTable writes rows in columns, the first row as their heading. On a terminal the last column is cut where the line
// ends. paint colors a cell after its width is known; cells have no colors of their own.
func printTable(w io.Writer, heading func(string) string, rows [][]string, paint func(row, column int, text string) string) {
	table{rows: rows, heading: heading, paint: paint}.print(w, widthOf(w))
}

// printWhole is printTable for what should be read to its end: on a terminal the last column goes on in the next line.
func printWhole(w io.Writer, heading func(string) string, rows [][]string, paint func(row, column int, text string) string) {
	table{rows: rows, heading: heading, paint: paint, whole: true}.print(w, widthOf(w))
}

// widthOf is the width of a terminal, and 0 of anything else.
func widthOf(w io.Writer) int {
	if !term.IsTerminal(w) {
		return 0
	}
	return term.Width(w)
}

type table struct {
	rows    [][]string
	heading func(string) string
	paint   func(row, column int, text string) string
	whole   bool
}

// print writes the table for a terminal of that width, or as it is if the width is 0.
func (t table) print(w io.Writer, width int) {
	widths := make([]int, len(t.rows[0]))
	for _, row := range t.rows {
		for i, cell := range row {
			cell = term.Line(cell)
			row[i], widths[i] = cell, max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	last, indent := len(widths)-1, 2
	for _, width := range widths[:last] {
		indent += width + 2
	}
	for n, row := range t.rows {
		line := &strings.Builder{}
		for i, cell := range row[:last] {
			line.WriteString("  " + t.cell(n, i, cell) + strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)))
		}
		t.finish(line, n, row[last], indent, width)
		fmt.Fprintln(w, strings.TrimRight(line.String(), " "))
	}
}

// finish writes the last cell of a row, which begins at indent if there is room.
func (t table) finish(line *strings.Builder, row int, cell string, indent, width int) {
	last := len(t.rows[0]) - 1
	switch room := width - indent; {
	case width == 0:
		line.WriteString("  " + t.cell(row, last, cell))
	case !t.whole:
		line.WriteString("  " + t.cell(row, last, shorten(cell, max(room, lastColumn))))
	case room < wholeColumn:
		for _, part := range wrap(cell, width-4) {
			if row > 0 && part != "" {
				line.WriteString("\n    " + t.cell(row, last, part))
			}
		}
	default:
		for i, part := range wrap(cell, room) {
			if i > 0 {
				line.WriteString("\n" + strings.Repeat(" ", indent-2))
			}
			line.WriteString("  " + t.cell(row, last, part))
		}
	}
}

func (t table) cell(row, column int, text string) string {
	switch {
	case row == 0:
		return t.heading(text)
	case t.paint != nil:
		return t.paint(row, column, text)
	}
	return text
}

// fit is a text without colors as it fits beside an indent; elsewhere than on a terminal it is one line.
func fit(w io.Writer, text string, indent int) []string {
	text = term.Line(text)
	if width := widthOf(w); width > 0 {
		return wrap(text, max(width-indent, wholeColumn))
	}
	return []string{text}
}

// wrap breaks a text between its words, so that no line is wider; a word that is wider alone is broken itself. There is at
// least one line.
func wrap(text string, width int) []string {
	width = max(width, 1)
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) <= width {
			line += " " + word
			continue
		}
		if line != "" {
			lines = append(lines, line)
		}
		runes := []rune(word)
		for len(runes) > width {
			lines, runes = append(lines, string(runes[:width])), runes[width:]
		}
		line = string(runes)
	}
	return append(lines, line)
}
