package main

import (
	"regexp"
	"strings"
	"testing"

	"github.com/urfave/cli/v3"
)

// sentence is a line of usage: a small letter, no full stop, short enough for one line.
var sentence = regexp.MustCompile("^[a-z`-].*[^.]$")

func TestTheHelpOfEveryCommandIsComplete(t *testing.T) {
	commands := 0
	everyCommand(newApp(quietEnvironment(t)), func(path []string, c *cli.Command) {
		name := "spmirror " + strings.Join(path, " ")
		commands++
		if !sentence.MatchString(c.Usage) || len(c.Usage) > 90 {
			t.Errorf("%s is used to %q", name, c.Usage)
		}
		leaf := len(c.VisibleCommands()) == 0
		if leaf && (len(c.Description) < 40 || !strings.HasSuffix(c.Description, ".") && !strings.Contains(c.Description, "\n\n")) {
			t.Errorf("%s is hardly described: %q", name, c.Description)
		}
		for line := range strings.SplitSeq(c.Description, "\n") {
			if len([]rune(line)) > 110 {
				t.Errorf("%s has a line of %d characters in its description", name, len([]rune(line)))
			}
		}
		for _, f := range c.Flags {
			doc, ok := f.(cli.DocGenerationFlag)
			if !ok || !sentence.MatchString(doc.GetUsage()) && len(doc.GetUsage()) < 10 {
				t.Errorf("%s does not explain -%s: %q", name, f.Names()[0], doc.GetUsage())
			}
			if doc.TakesValue() && strings.Count(doc.GetUsage(), "`") != 2 {
				t.Errorf("%s does not name the value of -%s in its usage: %q", name, f.Names()[0], doc.GetUsage())
			}
		}
		if strings.Contains(c.Description, "TODO") || strings.Contains(c.Usage, "TODO") {
			t.Errorf("%s is not done", name)
		}
	})
	if commands < 40 {
		t.Errorf("only %d commands were looked at", commands)
	}
}
