package main

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/plumbline-dev/plumbline/internal/term"
)

// lastColumn is what the last column keeps of a narrow terminal.
const lastColumn = 10

// printTable writes rows in columns, the first row as their heading. On a terminal the last column is cut where the line
// ends. paint colors a cell after its width is known.
func printTable(w io.Writer, heading func(string) string, rows [][]string, paint func(row, column int, text string) string) {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	last, room := len(widths)-1, 0
	if term.IsTerminal(w) {
		room = term.Width(w) - 2
		for _, width := range widths[:last] {
			room -= width + 2
		}
		room = max(room, lastColumn)
	}
	for n, row := range rows {
		line := &strings.Builder{}
		for i, cell := range row {
			gap := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if i == last && room > 0 {
				cell = shorten(cell, room)
			}
			switch {
			case n == 0:
				cell = heading(cell)
			case paint != nil:
				cell = paint(n, i, cell)
			}
			line.WriteString("  " + cell)
			if i < last {
				line.WriteString(gap)
			}
		}
		fmt.Fprintln(w, strings.TrimRight(line.String(), " "))
	}
}
