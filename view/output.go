package view

import (
	"bufio"
	"io"
	"os"
	"strings"

	"github.com/fatih/color"
	"github.com/mattn/go-isatty"
	"golang.org/x/term"
)

// Output says where results and progress go and how they may look. Results are
// written to Out, progress to Err.
type Output struct {
	Out, Err io.Writer
	// Color allows colour; it never carries meaning alone.
	Color bool
	// Width is the number of columns; zero means 100.
	Width int
	// Terminal says that Err is a terminal, so that lines may be redrawn.
	Terminal bool
	// Automation leaves out hints for people at a keyboard.
	Automation bool
	// Names is what is shown of files: full, folders or hashed.
	Names string
}

// defaultWidth is used off a terminal (UX 3.2, rule 7).
const defaultWidth = 100

// Colours of -color and -no-color.
const (
	ColorAuto   = "auto"
	ColorAlways = "always"
	ColorNever  = "never"
)

// NewOutput looks at the two streams and the environment. color is ColorAuto,
// ColorAlways or ColorNever; env looks up environment variables.
func NewOutput(stdout, stderr *os.File, env func(string) (string, bool), color string) Output {
	o := Output{Out: stdout, Err: stderr, Width: defaultWidth}
	o.Terminal = isTerminal(stderr) && value(env, "TERM") != "dumb"
	if isTerminal(stdout) {
		if w, _, err := term.GetSize(int(stdout.Fd())); err == nil && w > 0 {
			o.Width = w
		}
	}
	switch {
	case color == ColorAlways:
		o.Color = true
	case color == ColorNever, value(env, "NO_COLOR") != "", value(env, "TERM") == "dumb":
	default:
		o.Color = isTerminal(stdout)
	}
	o.Automation = value(env, "SPMIRROR_IN_AUTOMATION") != "" || value(env, "CI") == "true"
	return o
}

func isTerminal(f *os.File) bool { return f != nil && isatty.IsTerminal(f.Fd()) }

func value(env func(string) (string, bool), name string) string {
	v, _ := env(name)
	return v
}

func (o Output) width() int {
	switch {
	case o.Width <= 0:
		return defaultWidth
	case o.Width < 60:
		return 60
	}
	return o.Width
}

func (o Output) names() naming { return naming(o.Names) }

// style is how a text of ours looks on a terminal.
type style uint8

// The styles; they can be joined.
const (
	bold style = 1 << iota
	red
	green
	yellow
	cyan
)

// attributes of a style, for the colour library.
func (s style) attributes() []color.Attribute {
	var list []color.Attribute
	for i, a := range [...]color.Attribute{color.Bold, color.FgRed, color.FgGreen, color.FgYellow, color.FgCyan} {
		if s&(1<<i) != 0 {
			list = append(list, a)
		}
	}
	return list
}

// paint colours a text of ours.
func (o Output) paint(as style, s string) string {
	if !o.Color || s == "" || as == 0 {
		return s
	}
	c := color.New(as.attributes()...)
	c.EnableColor() // Output has decided; the library would look at stdout alone
	return c.Sprint(s)
}

// page collects lines for a writer and keeps the first error.
type page struct {
	w *bufio.Writer
	// blank is set when an empty line is due before the next one.
	blank, started bool
}

func newPage(w io.Writer) *page { return &page{w: bufio.NewWriter(w)} }

// line writes parts as one line, without spaces at its end.
func (p *page) line(parts ...string) {
	if p.blank && p.started {
		p.w.WriteByte('\n')
	}
	p.blank, p.started = false, true
	p.w.WriteString(strings.TrimRight(strings.Join(parts, ""), " "))
	p.w.WriteByte('\n')
}

// gap asks for an empty line before the next one.
func (p *page) gap() { p.blank = true }

func (p *page) close() error { return p.w.Flush() }
