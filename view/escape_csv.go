package view

import (
	"bufio"
	"io"
	"strings"
	"unicode/utf8"
)

// csvCell encodes a text for a spreadsheet (T-06). Control and bidi characters
// become visible; what a spreadsheet would take for a formula gets a leading
// apostrophe, at the start of the cell and after each separator that another
// locale may split at.
func csvCell(s string) string {
	s = escape(s, true)
	var b strings.Builder
	start := true
	for _, r := range s {
		switch {
		case start && startsFormula(r):
			b.WriteString("'")
			start = false
		case r == ';' || r == '|':
			start = true
			b.WriteRune(r)
			continue
		case r != ' ' && r != '"' && r != '\'' && r != '\u00a0' && r != '\u3000':
			start = false
		}
		b.WriteRune(r)
	}
	return b.String()
}

// startsFormula knows the characters that begin a formula, also in their
// full-width forms, which some spreadsheets fold.
func startsFormula(r rune) bool { return strings.ContainsRune("=+-@＝＋－＠﹢﹣﹦﹫−", r) }

// csvWriter writes rows with every cell quoted: a cell is never split by a comma,
// quote or semicolon in it.
type csvWriter struct {
	out *bufio.Writer
	err error
}

func newCSV(w io.Writer) *csvWriter { return &csvWriter{out: bufio.NewWriterSize(w, 1<<16)} }

// row writes cells that are encoded already.
func (c *csvWriter) row(cells ...string) {
	for i, text := range cells {
		if i > 0 {
			c.out.WriteByte(',')
		}
		c.out.WriteByte('"')
		if !utf8.ValidString(text) {
			text = strings.ToValidUTF8(text, "\ufffd")
		}
		c.out.WriteString(strings.ReplaceAll(text, `"`, `""`))
		c.out.WriteByte('"')
	}
	if _, err := c.out.WriteString("\r\n"); err != nil && c.err == nil {
		c.err = err
	}
}

func (c *csvWriter) close() error {
	if err := c.out.Flush(); err != nil && c.err == nil {
		c.err = err
	}
	return c.err
}
