package view

import (
	"bytes"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// dotLine is every form of line that WriteDot may write.
var dotLine = regexp.MustCompile(`^(digraph G \{|  rankdir = "RL";|  node \[shape = box, fontname = "sans-serif"\];|\}|  \}|` +
	`  subgraph "([^"\\]|\\.)*" \{|    label = "([^"\\]|\\.)*";|` +
	` {2,4}"([^"\\]|\\.)*"( \[label = "([^"\\]|\\.)*"(, shape = [a-z]+)?(, color = "red", fontcolor = "red")?\])?;|` +
	`  "([^"\\]|\\.)*" -> "([^"\\]|\\.)*";)$`)

// dotUnquote reads a quoted text of DOT as Graphviz shows it.
func dotUnquote(text string) string {
	return strings.NewReplacer(`\\`, `\`, `\"`, `"`, `\n`, "\n").Replace(text)
}

func TestAGraphIsTextWhateverTheNamesAre(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{
			`mirror.a["x"]`, `"]; evil -> "`, `\N`, `\`, `a\"b`, "line\nfeed", "\x1b[2J", "\u202egnp.exe", "<b>html</b>", "}", "",
		}))
		nodes := []DotNode{{Name: "n1 " + name.Draw(t, "one"), Lines: []string{name.Draw(t, "label"), "2"}}, {Name: "n2 " + name.Draw(t, "two"), Group: "g " + name.Draw(t, "group")}}
		edges := []DotEdge{{nodes[1].Name, nodes[0].Name}}
		var out bytes.Buffer
		if err := WriteDot(&out, nodes, edges); err != nil {
			t.Fatal(err)
		}
		for line := range strings.SplitSeq(strings.TrimSuffix(out.String(), "\n"), "\n") {
			if !dotLine.MatchString(line) {
				t.Fatalf("the line is no DOT: %s", line)
			}
		}
		text := dotText(nodes[0].Name)
		if shown := dotUnquote(text[1 : len(text)-1]); shown != Name(nodes[0].Name) {
			t.Errorf("%q is shown as %q", nodes[0].Name, shown)
		}
		var again bytes.Buffer
		if err := WriteDot(&again, []DotNode{nodes[1], nodes[0]}, append(edges, edges...)); err != nil || again.String() != out.String() {
			t.Errorf("the order of the input shows: %v\n%s\n%s", err, &out, &again)
		}
	})
}

// TestGraphvizReadsTheGraph asks the real program, where there is one.
func TestGraphvizReadsTheGraph(t *testing.T) {
	dot, err := exec.LookPath("dot")
	if err != nil {
		t.Skip("Graphviz is not installed")
	}
	var in, out bytes.Buffer
	if err := WriteDot(&in, []DotNode{{Name: `a "\N"`, Lines: []string{`\N "x"`, "two"}}, {Name: "b", Group: "g"}}, []DotEdge{{"b", `a "\N"`}}); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(dot, "-Tplain")
	cmd.Stdin, cmd.Stdout = &in, &out
	if err := cmd.Run(); err != nil || !strings.Contains(out.String(), "edge b") {
		t.Errorf("dot says %v\n%s", err, &out)
	}
}
