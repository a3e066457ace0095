package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/urfave/cli/v3"
)

// update writes the pages that are made from the program instead of comparing them:
// go test ./cmd/spmirror -run ErrorsPage -update
var update = flag.Bool("update", false, "write docs/errors.md")

const (
	commandsPage = "../../docs/commands.md"
	errorsPage   = "../../docs/errors.md"
)

func TestTheErrorsPageIsMadeFromTheRegistry(t *testing.T) {
	want := errorsText()
	if *update {
		if err := os.WriteFile(errorsPage, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(errorsPage)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(have, want) {
		t.Error("docs/errors.md differs from the registry of codes; run: go test ./cmd/spmirror -run ErrorsPage -update")
	}
}

// errorsText is docs/errors.md.
func errorsText() []byte {
	titles := map[string]string{
		"SPM00": "Command line", "SPM01": "Configuration: files and language", "SPM02": "Configuration: what the blocks say",
		"SPM03": "Guards and approval", "SPM04": "Saved plans", "SPM05": "Single items", "SPM06": "Sources", "SPM07": "State",
		"SPM08": "Targets", "SPM09": "Sandbox", "SPM10": "Watching",
	}
	var b bytes.Buffer
	b.WriteString("# Codes of errors and warnings\n\nA code never changes its meaning. `spmirror explain CODE` prints the same text. " +
		"This page is made from the program; a test compares them.\n")
	group := ""
	for _, e := range allCodes() {
		if e.Code[:5] != group {
			group = e.Code[:5]
			fmt.Fprintf(&b, "\n## %s\n", titles[group])
		}
		fmt.Fprintf(&b, "\n### %s: %s\n\n%s\n", e.Code, e.Title, markdownText(e.Text))
	}
	return b.Bytes()
}

// markdownText leaves code as it is and escapes what Markdown would take for markup
// elsewhere.
func markdownText(text string) string {
	parts := strings.Split(text, "`")
	for i := 0; i < len(parts); i += 2 {
		parts[i] = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `<`, `\<`, `[`, `\[`).Replace(parts[i])
	}
	return strings.Join(parts, "`")
}

func TestTheCommandsPageNamesEveryCommandAndFlag(t *testing.T) {
	text, err := os.ReadFile(commandsPage)
	if err != nil {
		t.Fatal(err)
	}
	page := pageSections(string(text))
	app := newApp(processEnvironment())
	shared := page["Flags that commands share"] + page["Flags of planning"]
	flags := 0
	var look func(prefix string, list []*cli.Command)
	look = func(prefix string, list []*cli.Command) {
		for _, c := range list {
			name := strings.TrimSpace(prefix + " " + c.Name)
			section, ok := page[name]
			if !ok {
				t.Errorf("docs/commands.md has no section %q", name)
			}
			for _, f := range c.Flags {
				flags++
				if own := f.Names()[0]; !namesFlag(section, own) && !namesFlag(page[prefix], own) && !namesFlag(shared, own) {
					t.Errorf("docs/commands.md does not name -%s of %s", own, name)
				}
			}
			look(name, c.Commands)
		}
	}
	look("", app.Commands)
	if flags < 150 {
		t.Errorf("only %d flags were looked for", flags)
	}
	for _, word := range []string{"completion", "help COMMAND", "-chdir"} {
		if !strings.Contains(string(text), word) {
			t.Errorf("docs/commands.md does not name %s", word)
		}
	}
}

// TestTheCommandsPageNamesNothingElse finds sections and flags that the program does not
// have any more.
func TestTheCommandsPageNamesNothingElse(t *testing.T) {
	text, err := os.ReadFile(commandsPage)
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{"h": true, "help": true, "version": true, "chdir": true}
	var look func([]*cli.Command)
	look = func(list []*cli.Command) {
		for _, c := range list {
			for _, f := range c.Flags {
				for _, name := range f.Names() {
					known[name] = true
				}
			}
			look(c.Commands)
		}
	}
	look(newApp(processEnvironment()).Commands)
	for _, m := range regexp.MustCompile("[` ]-([a-z][a-z-]*)").FindAllStringSubmatch(string(text), -1) {
		if !known[m[1]] {
			t.Errorf("docs/commands.md names -%s, which no command has", m[1])
		}
	}
}

func namesFlag(text, name string) bool {
	return regexp.MustCompile("[` ]-" + regexp.QuoteMeta(name) + "[` =]").MatchString(text)
}

// pageSections are the texts of a page by their titles.
func pageSections(text string) map[string]string {
	sections := map[string]string{}
	title := ""
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(strings.TrimLeft(line, "#"), " "); ok && strings.HasPrefix(line, "#") {
			title = strings.TrimSpace(rest)
			sections[title] = ""
			continue
		}
		sections[title] += line
	}
	return sections
}
