package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v3"
)

func manCommand(env *environment) *cli.Command {
	return &cli.Command{
		Name:      "man",
		Usage:     "print manual pages",
		ArgsUsage: "[COMMAND...]",
		Description: "Prints the manual page of the program or of a command, made from the text of -help. With -dir all\n" +
			"pages are written to a directory, as packages want them: spmirror.1, spmirror-plan.1 and so on.\n\n" +
			"  spmirror man plan | man --local-file -",
		Flags:  []cli.Flag{&cli.StringFlag{Name: "dir", Usage: "write all pages to the existing `DIR`"}},
		Action: func(_ context.Context, c *cli.Command) error { return runMan(env, c) },
	}
}

func runMan(env *environment, c *cli.Command) error {
	pages := manPages(c.Root()) // which knows what the library adds when it runs
	dir := c.String("dir")
	if dir != "" && c.Args().Len() > 0 {
		return &problem{code: "SPM0002", summary: "man takes a command or -dir, not both"}
	}
	if dir != "" {
		return writeManPages(env, dir, pages)
	}
	name := strings.Join(append([]string{"spmirror"}, c.Args().Slice()...), "-")
	var names []string
	for _, p := range pages {
		if p.name == name {
			_, err := env.stdout.Write(p.text)
			return err
		}
		names = append(names, p.name)
	}
	return &problem{code: "SPM0003", summary: "There is no manual page " + name + didYouMean(name, "", names)}
}

// writeManPages replaces pages of an older version.
func writeManPages(env *environment, dir string, pages []manPage) error {
	for _, p := range pages {
		if err := os.WriteFile(filepath.Join(dir, p.name+".1"), p.text, 0o644); err != nil {
			return &problem{code: "SPM0019", summary: "The manual pages were not written", err: err}
		}
	}
	_, err := fmt.Fprintf(env.stdout, "Wrote %s to %s.\n", plural(len(pages), "page"), dir)
	return err
}

// manPage is one page of section 1.
type manPage struct {
	name string
	text []byte
}

// manPages are the pages of a program: of itself and of each command that is shown in its help.
func manPages(app *cli.Command) []manPage {
	var pages []manPage
	var add func(c *cli.Command, parents []string)
	add = func(c *cli.Command, parents []string) {
		path := append(append([]string{}, parents...), c.Name)
		pages = append(pages, manPage{strings.Join(path, "-"), manText(c, path)})
		for _, sub := range c.VisibleCommands() {
			add(sub, path)
		}
	}
	add(app, nil)
	return pages
}

func manText(c *cli.Command, path []string) []byte {
	var b roff
	name, root := strings.Join(path, "-"), len(path) == 1
	b.macro("TH", strings.ToUpper(name), "1", "", "spmirror "+version, "spmirror manual")
	b.macro("SH", "NAME")
	b.line(roffText(name) + ` \- ` + roffText(c.Usage))
	b.macro("SH", "SYNOPSIS")
	b.synopsis(c, path)
	b.macro("SH", "DESCRIPTION")
	description := c.Description
	if description == "" {
		description = strings.ToUpper(c.Usage[:1]) + c.Usage[1:] + "."
	}
	b.paragraphs(description)
	if list := c.VisibleCommands(); len(list) > 0 {
		b.macro("SH", "COMMANDS")
		for _, sub := range list {
			b.item(`\fB`+roffText(name+"-"+sub.Name)+`\fR(1)`, sub.Usage)
		}
	}
	b.flags(c)
	if root {
		b.environment()
		b.exitStatus()
	}
	b.macro("SH", "SEE ALSO")
	see := []string{`\fBspmirror\fR(1)`}
	if len(path) > 2 {
		see = append(see, `\fB`+roffText(strings.Join(path[:len(path)-1], "-"))+`\fR(1)`)
	}
	if root {
		see = []string{`\fBspmirror\-explain\fR(1)`, `\fBspmirror\-doctor\fR(1)`}
	}
	b.line(strings.Join(see, ", "))
	return b.Bytes()
}

func (b *roff) synopsis(c *cli.Command, path []string) {
	line := `\fB` + roffText(strings.Join(path, " ")) + `\fR`
	if len(c.VisibleFlags()) > 0 {
		line += ` [\fIflags\fR]`
	}
	switch {
	case len(c.VisibleCommands()) > 0:
		line += ` \fIcommand\fR`
	case c.ArgsUsage != "":
		line += ` \fI` + roffText(c.ArgsUsage) + `\fR`
	}
	b.line(line)
}

// flags lists the flags of a command as its help does.
func (b *roff) flags(c *cli.Command) {
	flags := c.VisibleFlags()
	if len(flags) == 0 {
		return
	}
	b.macro("SH", "OPTIONS")
	for _, f := range flags {
		doc, ok := f.(cli.DocGenerationFlag)
		if !ok {
			continue
		}
		usage := doc.GetUsage()
		placeholder := ""
		if before, rest, found := strings.Cut(usage, "`"); found {
			word, after, _ := strings.Cut(rest, "`")
			if placeholder = word; strings.ToUpper(word) != word { // a word of the sentence, and the value it stands for
				placeholder = "value"
			}
			usage = before + word + after
		}
		var names []string
		for _, name := range f.Names() {
			names = append(names, `\fB\-`+roffText(name)+`\fR`)
		}
		head := strings.Join(names, ", ")
		if placeholder != "" {
			head += ` \fI` + roffText(placeholder) + `\fR`
		}
		if value := cmp.Or(doc.GetDefaultText(), doc.GetValue()); doc.TakesValue() && !slices.Contains([]string{"", `""`, "[]"}, value) && doc.IsDefaultVisible() {
			usage += " (default: " + value + ")"
		}
		b.item(head, usage)
	}
}

func (b *roff) environment() {
	b.macro("SH", "ENVIRONMENT")
	for _, v := range environmentVariables() {
		b.item(`\fB`+roffText(v[0])+`\fR`, v[1])
	}
}

func (b *roff) exitStatus() {
	b.macro("SH", "EXIT STATUS")
	for _, s := range exitMeanings() {
		b.item(`\fB`+roffText(s[0])+`\fR`, s[1])
	}
}

// environmentVariables are those that every command looks at.
func environmentVariables() [][2]string {
	return [][2]string{
		{"SPMIRROR_VAR_NAME", "value of the variable NAME of the configuration"},
		{"SPMIRROR_CLI_ARGS, SPMIRROR_CLI_ARGS_command", "flags that are put before those typed"},
		{"SPMIRROR_IN_AUTOMATION", "no hints for people; CI=true does the same"},
		{"SPMIRROR_LOG", "info, debug or json: a log on stderr"},
		{"SPMIRROR_LOG_PATH", "write the log, as JSON, to this file"},
		{"SPMIRROR_NETWORK_WAIT", "how long a run waits for a network that is gone, such as 90s; 15 minutes without it"},
		{"SPMIRROR_ALLOW_CUSTOM_LOGIN", "host of a custom login that may have the credentials of this machine"},
		{"OTEL_*, TRACEPARENT", "send an OpenTelemetry trace of the run"},
		{"NO_COLOR", "no colour"},
		{"ARM_* and others", "credentials, named as by the azuread provider of Terraform"},
	}
}

// exitMeanings are the exit codes (DESIGN section 4).
func exitMeanings() [][2]string {
	return [][2]string{
		{fmt.Sprint(exitOK), "ok; with plan -detailed-exitcode: no changes"},
		{fmt.Sprint(exitError), "error"},
		{fmt.Sprint(exitChanges), "changes present (plan -detailed-exitcode)"},
		{fmt.Sprint(exitBlocked), "blocked by a guard, a mandatory check or an approval rule; nothing changed"},
		{fmt.Sprint(exitIncomplete), "incomplete: some items or mirrors failed, changed meanwhile or were postponed; run again"},
		{fmt.Sprint(exitRefused), "saved plan refused: stale, expired, altered, of another state, or not covered"},
		{fmt.Sprint(exitLocked), "locked by another run"},
		{fmt.Sprint(exitDeclined), "declined at the question"},
		{fmt.Sprintf("%d, %d", exitInterrupted, exitTerminated), "interrupted; run again"},
	}
}

// roff is text in the language of manual pages.
type roff struct{ bytes.Buffer }

// macro writes a request with its arguments.
func (b *roff) macro(name string, arguments ...string) {
	b.WriteString("." + name)
	for _, a := range arguments {
		b.WriteString(` "` + strings.ReplaceAll(roffText(a), `"`, `\(dq`) + `"`)
	}
	b.WriteByte('\n')
}

// line writes a line that is roff already.
func (b *roff) line(text string) {
	if strings.HasPrefix(text, ".") || strings.HasPrefix(text, "'") {
		b.WriteString(`\&`) // else it would be a request
	}
	b.WriteString(text + "\n")
}

// item writes a term and what it means.
func (b *roff) item(head, text string) {
	b.macro("TP")
	b.line(head)
	b.line(roffText(text))
}

// paragraphs fills text. Lines that are indented are shown as they are.
func (b *roff) paragraphs(text string) {
	for i, part := range strings.Split(text, "\n\n") {
		if i > 0 {
			b.macro("PP")
		}
		if strings.HasPrefix(part, "  ") {
			b.macro("nf")
			for line := range strings.SplitSeq(part, "\n") {
				b.line(roffText(line))
			}
			b.macro("fi")
			continue
		}
		for line := range strings.SplitSeq(part, "\n") {
			b.line(roffText(line))
		}
	}
}

// roffText escapes plain text: a hyphen stays one that can be copied, and other characters than those
// of ASCII are named, so that a page looks the same in every encoding.
func roffText(text string) string {
	var b strings.Builder
	for _, r := range text {
		switch {
		case r == '\\':
			b.WriteString(`\(rs`)
		case r == '-':
			b.WriteString(`\-`)
		case r == '\'':
			b.WriteString(`\(aq`)
		case r == '`':
			b.WriteString(`\(ga`)
		case r == '^':
			b.WriteString(`\(ha`)
		case r == '~':
			b.WriteString(`\(ti`)
		case r < 0x20 || r == 0x7f:
			b.WriteByte(' ')
		case r > 0x7e:
			fmt.Fprintf(&b, `\[u%04X]`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
