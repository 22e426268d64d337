package admin

import (
	"io"
	"strings"
	"unicode/utf8"
)

// Table is text in columns. Columns whose cells are all numbers are aligned to the right.
type Table struct {
	header []string
	rows   [][]string
	marks  []Mark
}

// Mark says how a row stands out.
type Mark int

// How rows stand out on a terminal; in plain text nothing does, and the words of the row have to say it.
const (
	Plain Mark = iota
	// Warning is for what works, but not as it should.
	Warning
	// Alarm is for what does not work.
	Alarm
)

// NewTable begins a table with the names of its columns.
func NewTable(columns ...string) *Table { return &Table{header: columns} }

// Row adds a row of as many cells as there are columns. An empty cell is shown as a dash.
func (t *Table) Row(mark Mark, cells ...string) {
	if len(cells) != len(t.header) {
		panic("admin: a row with other columns than its table")
	}
	for i, c := range cells {
		if c == "" {
			cells[i] = "-"
		}
	}
	t.rows, t.marks = append(t.rows, cells), append(t.marks, mark)
}

// Len is how many rows there are.
func (t *Table) Len() int { return len(t.rows) }

// Write prints the table, without columns that are empty in every row.
func (t *Table) Write(out io.Writer, colour bool) error {
	var b strings.Builder
	layout := t.layout()
	t.line(&b, t.header, layout, Plain, colour)
	for i, row := range t.rows {
		t.line(&b, row, layout, t.marks[i], colour)
	}
	_, err := io.WriteString(out, b.String())
	return err
}

type column struct {
	width   int
	numbers bool
	empty   bool
}

func (t *Table) layout() []column {
	columns := make([]column, len(t.header))
	for i, name := range t.header {
		c := column{width: utf8.RuneCountInString(name), numbers: true, empty: len(t.rows) > 0}
		for _, row := range t.rows {
			c.width = max(c.width, utf8.RuneCountInString(row[i]))
			c.numbers = c.numbers && isNumber(row[i])
			c.empty = c.empty && row[i] == "-"
		}
		columns[i] = c
	}
	return columns
}

// isNumber accepts the dash that stands for nothing.
func isNumber(cell string) bool {
	return strings.Trim(cell, "0123456789") == "" || cell == "-"
}

func (t *Table) line(b *strings.Builder, cells []string, layout []column, mark Mark, colour bool) {
	var line strings.Builder
	for i, cell := range cells {
		c := layout[i]
		if c.empty {
			continue
		}
		if line.Len() > 0 {
			line.WriteString("  ")
		}
		pad := strings.Repeat(" ", c.width-utf8.RuneCountInString(cell))
		if c.numbers {
			line.WriteString(pad + cell)
		} else {
			line.WriteString(cell + pad)
		}
	}
	text := strings.TrimRight(line.String(), " ")
	if start, ok := escapes[mark]; ok && colour {
		text = start + text + "\x1b[0m"
	}
	b.WriteString(text + "\n")
}

// escapes are a terminal's words for yellow and for red and bold.
var escapes = map[Mark]string{Warning: "\x1b[33m", Alarm: "\x1b[1;31m"}
