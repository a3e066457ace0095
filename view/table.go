package view

import "strings"

// cell is one cell of a table: encoded text, and how it stands in its column.
type cell struct {
	text   string
	colour style
	right  bool
}

// table aligns cells in columns. It is for few rows; lists are streamed.
type table struct {
	indent int
	narrow int // so many columns at the left stand close together
	rows   [][]cell
	widths []int
}

func newTable(indent, narrow int) *table { return &table{indent: indent, narrow: narrow} }

func (t *table) add(cells ...cell) {
	t.rows = append(t.rows, cells)
	for i, c := range cells {
		if i == len(t.widths) {
			t.widths = append(t.widths, 0)
		}
		t.widths[i] = max(t.widths[i], visibleCells(c.text))
	}
}

func (t *table) write(p *page, out Output) {
	for _, row := range t.rows {
		var b strings.Builder
		b.WriteString(strings.Repeat(" ", t.indent))
		for i, c := range row {
			text := c.text
			switch pad := strings.Repeat(" ", t.widths[i]-visibleCells(text)); {
			case c.right:
				text = pad + out.paint(c.colour, text)
			case i == len(row)-1:
				text = out.paint(c.colour, text)
			default:
				text = out.paint(c.colour, text) + pad
			}
			if i > 0 {
				b.WriteString(t.gap(i))
			}
			b.WriteString(text)
		}
		p.line(b.String())
	}
}

func (t *table) gap(i int) string {
	if i < t.narrow {
		return " "
	}
	return "   "
}

// visibleCells is cells without our own colour codes.
func visibleCells(s string) int {
	n := cells(s)
	for rest := s; ; {
		start := strings.Index(rest, "\x1b[")
		if start < 0 {
			return n
		}
		end := strings.IndexByte(rest[start:], 'm')
		if end < 0 {
			return n
		}
		n -= end + 1
		rest = rest[start+end+1:]
	}
}
