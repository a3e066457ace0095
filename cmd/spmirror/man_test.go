package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v3"
	"golang.org/x/sync/errgroup"
)

// quietEnvironment is one in which nothing is printed.
func quietEnvironment(t *testing.T) *environment {
	t.Helper()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { null.Close() })
	env := processEnvironment()
	env.stdin, env.stdout, env.stderr, env.environ = strings.NewReader(""), null, null, nil
	return env
}

// everyCommand yields each visible command of the program with the words that lead to it.
func everyCommand(app *cli.Command, do func(path []string, c *cli.Command)) {
	var walk func(path []string, c *cli.Command)
	walk = func(path []string, c *cli.Command) {
		do(path, c)
		for _, sub := range c.VisibleCommands() {
			walk(append(append([]string{}, path...), sub.Name), sub)
		}
	}
	walk(nil, app)
}

// request is every request that a page may have.
var request = regexp.MustCompile(`^\.(TH|SH|PP|TP|nf|fi)( ".*")*$`)

func TestEveryCommandHasAManualPageWithItsFlags(t *testing.T) {
	app := newApp(quietEnvironment(t))
	pages := map[string]string{}
	for _, p := range manPages(app) {
		pages[p.name] = string(p.text)
	}
	commands, flags := 0, 0
	everyCommand(app, func(path []string, c *cli.Command) {
		commands++
		name := strings.Join(append([]string{"spmirror"}, path...), "-")
		page, ok := pages[name]
		if !ok {
			t.Errorf("there is no page %s", name)
			return
		}
		for _, section := range []string{"NAME", "SYNOPSIS", "DESCRIPTION", "SEE ALSO"} {
			if !strings.Contains(page, ".SH \""+section+"\"\n") {
				t.Errorf("%s has no section %s", name, section)
			}
		}
		for _, f := range c.VisibleFlags() {
			flags++
			if !strings.Contains(page, `\fB\-`+roffText(f.Names()[0])+`\fR`) {
				t.Errorf("%s does not name -%s", name, f.Names()[0])
			}
		}
		for line := range strings.SplitSeq(page, "\n") {
			if strings.HasPrefix(line, ".") && !request.MatchString(line) || strings.HasPrefix(line, "'") {
				t.Errorf("%s has the line %s", name, line)
			}
		}
	})
	if commands < 40 || flags < 150 {
		t.Errorf("only %d commands and %d flags were looked for", commands, flags)
	}
}

func TestRoffTextIsTextAndNothingElse(t *testing.T) {
	for in, want := range map[string]string{
		"-out": `\-out`, `a\fBb`: `a\(rsfBb`, "it's": `it\(aqs`, "`x`": `\(gax\(ga`, "é": `\[u00E9]`, "a\nb\x1b": "a b ",
	} {
		if got := roffText(in); got != want {
			t.Errorf("%q is %s, want %s", in, got, want)
		}
	}
	var b roff
	b.line(".SH no request")
	b.macro("SH", `a "b"`)
	if got, want := b.String(), "\\&.SH no request\n.SH \"a \\(dqb\\(dq\"\n"; got != want {
		t.Errorf("the page is %s, want %s", got, want)
	}
}

func TestTheManualAndTheCommandsPageNameTheSame(t *testing.T) {
	text, err := os.ReadFile(commandsPage)
	if err != nil {
		t.Fatal(err)
	}
	page := pageSections(string(text))
	var manual []string
	for _, v := range environmentVariables() {
		name, _, _ := strings.Cut(strings.TrimSuffix(v[0], " and others"), ",")
		manual = append(manual, name)
	}
	var named []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+)`").FindAllStringSubmatch(page["Environment"], -1) {
		named = append(named, m[1])
	}
	if !slices.Equal(manual, named) {
		t.Errorf("the manual names the variables %q, docs/commands.md %q", manual, named)
	}
	for _, s := range exitMeanings() {
		if !strings.Contains(page["Exit codes"], "\n| "+s[0]+" |") {
			t.Errorf("docs/commands.md does not name exit code %s", s[0])
		}
	}
}

// TestManualPagesAreReadWithoutWarnings asks the programs that show them, where they are.
func TestManualPagesAreReadWithoutWarnings(t *testing.T) {
	var checks [][]string
	for _, check := range [][]string{{"groff", "-man", "-Tutf8", "-ww", "-z"}, {"mandoc", "-Tlint", "-Werror"}} {
		if _, err := exec.LookPath(check[0]); err == nil {
			checks = append(checks, check)
		}
	}
	if len(checks) == 0 {
		t.Skip("neither groff nor mandoc is installed")
	}
	var all []string
	dir := t.TempDir()
	app := newApp(quietEnvironment(t))
	if err := app.Run(t.Context(), []string{"spmirror", "version"}); err != nil { // the library adds commands and flags
		t.Fatal(err)
	}
	for _, p := range manPages(app) {
		name := filepath.Join(dir, p.name+".1")
		if err := os.WriteFile(name, p.text, 0o600); err != nil {
			t.Fatal(err)
		}
		all = append(all, name)
	}
	for _, check := range checks {
		for _, name := range all {
			out, err := exec.Command(check[0], append(check[1:len(check):len(check)], name)...).CombinedOutput()
			if err != nil || check[0] == "groff" && len(out) > 0 {
				t.Errorf("%s of %s: %v\n%s", check[0], filepath.Base(name), err, out)
			}
		}
	}
}

// asProgram makes the program itself runnable under its name, which it is given first on PATH.
func asProgram(t *testing.T) (path string, environ []string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	path = filepath.Join(dir, "spmirror")
	if err := os.Symlink(self, path); err != nil {
		t.Fatal(err)
	}
	return path, append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "GORACE=atexit_sleep_ms=0")
}

// TestCompletionOffersEveryCommandAndFlag covers bash, zsh, fish and PowerShell at once: their scripts
// hold no words of their own and ask the program.
func TestCompletionOffersEveryCommandAndFlag(t *testing.T) {
	path, environ := asProgram(t)
	offered := func(words ...string) map[string]bool {
		cmd := exec.Command(path, append(words, "--generate-shell-completion")...)
		cmd.Env = environ
		out, err := cmd.Output()
		if err != nil {
			t.Errorf("completion of %q: %v", words, err)
		}
		found := map[string]bool{}
		for line := range strings.SplitSeq(string(out), "\n") {
			word, _, _ := strings.Cut(line, ":")
			found[word] = true
		}
		return found
	}
	var all errgroup.Group
	all.SetLimit(4)
	everyCommand(newApp(quietEnvironment(t)), func(words []string, c *cli.Command) {
		all.Go(func() error {
			commands := offered(words...)
			for _, sub := range c.VisibleCommands() {
				if !commands[sub.Name] {
					t.Errorf("after %q %s is not offered", words, sub.Name)
				}
			}
			flags := offered(append(append([]string{}, words...), "--")...)
			for _, f := range c.VisibleFlags() {
				if name := f.Names()[0]; len(name) > 1 && !flags["--"+name] {
					t.Errorf("after %q --%s is not offered", words, name)
				}
			}
			return nil
		})
	})
	if err := all.Wait(); err != nil {
		t.Fatal(err)
	}
	for _, shell := range []string{"bash", "zsh", "fish", "pwsh"} {
		cmd := exec.Command(path, "completion", shell)
		cmd.Env = environ
		if text, err := cmd.Output(); err != nil || !bytes.Contains(text, []byte("--generate-shell-completion")) {
			t.Errorf("the script for %s does not ask the program: %v\n%s", shell, err, text)
		}
	}
}

// TestBashCompletes lets the real shell read the script.
func TestBashCompletes(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("bash is not installed")
	}
	_, environ := asProgram(t)
	const script = `
_get_comp_words_by_ref() { :; } # of the package bash-completion
source <(spmirror completion bash)
for line in "state re" "discover fol" "plan --detailed" "plan -detailed" "trash "; do
  COMP_WORDS=(spmirror $line); [ "${line% }" = "$line" ] || COMP_WORDS+=("")
  COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
  __spmirror_bash_autocomplete
  echo "$line: ${COMPREPLY[*]}"
done`
	cmd := exec.Command(bash, "--norc", "-c", script)
	cmd.Env = environ
	out, err := cmd.CombinedOutput()
	want := "state re: rebuild\ndiscover fol: folders\nplan --detailed: --detailed-exitcode\nplan -detailed: -detailed-exitcode\ntrash : list restore empty\n"
	if err != nil || string(out) != want {
		t.Errorf("bash offers\n%s\nwant\n%s%v", out, want, err)
	}
}
