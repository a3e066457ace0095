package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	yaml "github.com/oasdiff/yaml3"
)

// The workflows of docs/ci are run here step by step, as they are written, against the
// emulated tenant. The code host is a small server that keeps comments; what a host's
// own actions do (checkout, artefacts) is done by the test.

// pipeline runs shell steps in the directory of a configuration.
type pipeline struct {
	t    *testing.T
	dir  string // mirrors/prod
	env  map[string]string
	host *codeHost
}

func newPipeline(t *testing.T) *pipeline {
	t.Helper()
	for _, tool := range []string{"bash", "curl", "jq", "git", "spmirror"} { // the last is this test binary, see TestMain
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("the workflows need %s", tool)
		}
	}
	root := t.TempDir()
	p := &pipeline{t: t, dir: filepath.Join(root, "mirrors", "prod"), host: newCodeHost(t)}
	p.env = map[string]string{
		"PATH": os.Getenv("PATH"), "HOME": root, "TMPDIR": t.TempDir(),
		"SPMIRROR_IN_AUTOMATION": "1", "CI": "true", "MARKER": "env=prod", "SPMIRROR_MARKER": "env=prod",
	}
	p.write("main.hcl", strings.Replace(ciConfig, "EXCLUDE", `"2025/"`, 1))
	for _, f := range []string{"2024/a.txt", "2024/b.txt", "2025/c.txt", "2025/d.txt", "2025/e.txt", "2025/f.txt"} {
		p.write("library/"+f, f)
	}
	p.mustRun("spmirror apply -auto-approve")
	return p
}

const ciConfig = `tenant "demo" {
  sandbox {
    directory = "library"
  }
}

mirror "docs" {
  site   = "https://contoso.sharepoint.com/sites/people"
  target = "mirror"

  select {
    exclude = [EXCLUDE]
  }
}
`

func (p *pipeline) write(name, text string) {
	p.t.Helper()
	name = filepath.Join(p.dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		p.t.Fatal(err)
	}
}

func (p *pipeline) read(name string) string {
	p.t.Helper()
	data, err := os.ReadFile(filepath.Join(p.dir, filepath.FromSlash(name)))
	if err != nil {
		p.t.Fatal(err)
	}
	return string(data)
}

// run runs a script as GitHub and GitLab do.
func (p *pipeline) run(script string) (output string, code int) {
	p.t.Helper()
	cmd := exec.Command("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script)
	cmd.Dir = p.dir
	for k, v := range p.env {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	out, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		p.t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

func (p *pipeline) mustRun(script string) string {
	p.t.Helper()
	out, code := p.run(script)
	if code != 0 {
		p.t.Fatalf("exit %d of\n%s\n%s", code, script, out)
	}
	return out
}

// proposes edits the configuration as a branch does.
func (p *pipeline) proposes() {
	p.write("main.hcl", strings.Replace(ciConfig, "EXCLUDE", `"*.tmp"`, 1))
}

func yamlFile(t *testing.T, name string, into any) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", "docs", "ci", filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(data, into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// githubStep is a step of a job.
type githubStep struct {
	Name string            `yaml:"name"`
	ID   string            `yaml:"id"`
	Uses string            `yaml:"uses"`
	Run  string            `yaml:"run"`
	Env  map[string]string `yaml:"env"`
}

func githubSteps(t *testing.T, file, job string) []githubStep {
	t.Helper()
	var flow struct {
		Jobs map[string]struct {
			Steps []githubStep `yaml:"steps"`
		} `yaml:"jobs"`
	}
	yamlFile(t, file, &flow)
	if len(flow.Jobs[job].Steps) == 0 {
		t.Fatalf("%s has no steps", file)
	}
	return flow.Jobs[job].Steps
}

var expression = regexp.MustCompile(`\$\{\{ *([^ }]+) *\}\}`)

// github runs the steps of a job until one fails, and returns its name and code.
func (p *pipeline) github(steps []githubStep) (failed, output string, code int) {
	p.t.Helper()
	values := map[string]string{"github.token": "secret", "github.event.pull_request.number": "42"}
	p.env["GITHUB_API_URL"], p.env["GITHUB_REPOSITORY"], p.env["GITHUB_SHA"] = p.host.URL, "example/mirrors", "merged"
	for _, s := range steps {
		if s.Uses != "" {
			continue
		}
		outputs, summary := filepath.Join(p.t.TempDir(), "outputs"), filepath.Join(p.dir, "summary.md")
		p.env["GITHUB_OUTPUT"], p.env["GITHUB_STEP_SUMMARY"] = outputs, summary
		for k, v := range s.Env {
			p.env[k] = expression.ReplaceAllStringFunc(v, func(e string) string {
				name := expression.FindStringSubmatch(e)[1]
				value, known := values[name]
				if !known {
					p.t.Fatalf("step %s uses %s, which nothing sets", s.Name, name)
				}
				return value
			})
		}
		if strings.Contains(s.Run, "${{") {
			p.t.Errorf("step %s puts an expression into the shell", s.Name)
		}
		out, code := p.run(s.Run)
		output += out
		if code != 0 {
			return s.Name, output, code
		}
		if data, err := os.ReadFile(outputs); err == nil {
			for line := range strings.Lines(string(data)) {
				k, v, _ := strings.Cut(strings.TrimSpace(line), "=")
				values["steps."+s.ID+".outputs."+k] = v
			}
		}
	}
	return "", output, 0
}

func TestTheGitHubWorkflowsPlanCommentAndApply(t *testing.T) {
	p := newPipeline(t)
	plan, apply := githubSteps(t, "github/spmirror-plan.yml", "plan"), githubSteps(t, "github/spmirror-apply.yml", "apply")
	p.proposes()
	for range 2 { // the second plan replaces the comment of the first
		if step, out, code := p.github(plan); code != 0 {
			t.Fatalf("%s: exit %d\n%s", step, code, out)
		}
	}
	p.host.wantOneComment("5 to add")
	if !strings.Contains(p.read("plan.html"), "<h1>Plan: 5 to add") || !strings.Contains(p.read("summary.md"), "to add") {
		t.Error("the page or the summary is not the plan's")
	}
	p.write("reviewed/pr.spplan", p.read("pr.spplan")) // the artefact
	p.write("library/2024/a.txt", "edited")
	if step, out, code := p.github(apply); code != 0 || p.read("mirror/2025/c.txt") != "2025/c.txt" || p.read("mirror/2024/a.txt") != "edited" {
		t.Fatalf("%s: exit %d\n%s", step, code, out)
	}
	if !strings.Contains(p.read("report.md"), "Apply complete!") {
		t.Errorf("report: %s", p.read("report.md"))
	}

	// What was not reviewed is refused.
	if err := os.Remove(filepath.Join(p.dir, "library", "2024", "b.txt")); err != nil {
		t.Fatal(err)
	}
	step, out, code := p.github(apply)
	if step != "Apply" || code != exitRefused || !strings.Contains(out, "/2024/b.txt: delete was not reviewed") {
		t.Errorf("an unreviewed delete: %s, exit %d\n%s", step, code, out)
	}
	p.host.set(func(h *codeHost) { h.unmerged = true })
	if step, out, code := p.github(apply); step != "Find the reviewed plan" || code != 1 {
		t.Errorf("a push without review: %s, exit %d\n%s", step, code, out)
	}

	// A blocked plan is shown first and fails then.
	p.write("main.hcl", p.read("main.hcl")+"\nmirror \"none\" {\n  site   = \"https://contoso.sharepoint.com/sites/nowhere\"\n  target = \"none\"\n}\n")
	if step, out, code := p.github(plan); step != "Result" || code == 0 {
		t.Errorf("a plan that is incomplete or blocked: %s, exit %d\n%s", step, code, out)
	}
	p.host.wantOneComment("could not be planned")
	p.write("main.hcl", "mirror {")
	if step, _, code := p.github(plan); step != "Check" || code == 0 {
		t.Errorf("a broken configuration: %s, exit %d", step, code)
	}
}

func TestTheGitLabPipelinePlansCommentsAndApplies(t *testing.T) {
	p := newPipeline(t)
	var file map[string]struct {
		Script []string `yaml:"script"`
	}
	data := make(map[string]any)
	yamlFile(t, "gitlab/.gitlab-ci.yml", &data)
	delete(data, "stages")
	delete(data, "variables")
	text, err := yaml.Marshal(data)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	job := func(name string) (string, int) {
		if len(file[name].Script) == 0 {
			t.Fatalf("no job %s", name)
		}
		return p.run("cd ../..\n" + strings.Join(file[name].Script, "\n"))
	}
	for k, v := range map[string]string{
		"SPMIRROR_DIR": "mirrors/prod", "CI_API_V4_URL": p.host.URL, "CI_PROJECT_ID": "7", "CI_MERGE_REQUEST_IID": "42",
		"CI_COMMIT_SHA": "merged", "SPMIRROR_BOT_TOKEN": "secret",
	} {
		p.env[k] = v
	}
	p.proposes()
	for range 2 {
		if out, code := job("spmirror plan"); code != 0 {
			t.Fatalf("exit %d\n%s", code, out)
		}
	}
	p.host.wantOneComment("5 to add")
	p.host.set(func(h *codeHost) { h.artefact = p.read("pr.spplan") })
	if out, code := job("spmirror apply"); code != 0 || p.read("mirror/2025/d.txt") != "2025/d.txt" {
		t.Fatalf("exit %d\n%s", code, out)
	}
	if err := os.Remove(filepath.Join(p.dir, "library", "2024", "b.txt")); err != nil {
		t.Fatal(err)
	}
	if out, code := job("spmirror apply"); code != exitRefused || !strings.Contains(out, "/2024/b.txt: delete was not reviewed") {
		t.Errorf("an unreviewed delete: exit %d\n%s", code, out)
	}
}

func TestTheAtlantisWorkflowAppliesThePlanOfItsComment(t *testing.T) {
	p := newPipeline(t)
	var file struct {
		Workflows map[string]map[string]struct {
			Steps []struct {
				Run string `yaml:"run"`
			} `yaml:"steps"`
		} `yaml:"workflows"`
	}
	yamlFile(t, "atlantis/repos.yaml", &file)
	var project map[string]any
	yamlFile(t, "atlantis/atlantis.yaml", &project)
	stage := func(name string) string {
		var out string
		for _, s := range file.Workflows["spmirror"][name].Steps {
			out += p.mustRun(s.Run)
		}
		return out
	}
	p.env["PLANFILE"] = filepath.Join(p.t.TempDir(), "prod-default.tfplan")
	p.proposes()
	// The expression by which Atlantis finds the counts of Terraform.
	counts := regexp.MustCompile(`Plan: (?:(\d+) to import, )?(\d+) to add, (\d+) to change, (\d+) to destroy\.`)
	if got := counts.FindStringSubmatch(stage("plan")); got == nil || got[2] != "5" {
		t.Errorf("counts: %q", got)
	}
	if out := stage("apply"); !strings.Contains(out, "Apply complete!") || p.read("mirror/2025/e.txt") != "2025/e.txt" {
		t.Errorf("%s", out)
	}
}

func TestTheHookRefusesWhatIsStagedAndWrong(t *testing.T) {
	p := newPipeline(t)
	hook, err := filepath.Abs("../../docs/ci/pre-commit/pre-commit")
	if err != nil {
		t.Fatal(err)
	}
	p.mustRun(`cd ../.. && git init -q . && git config user.email a@example.com && git config user.name a &&
		printf '%s\n' mirror library '*.db*' >.gitignore && cp '` + hook + `' .git/hooks/pre-commit && git add mirrors/prod/main.hcl && git commit -q -m first`)
	good := p.read("main.hcl")
	for name, text := range map[string]string{"not formatted": strings.ReplaceAll(good, "  site   =", "site="), "not valid": good + "\nmirror \"x\" {\n}\n"} {
		p.write("main.hcl", text)
		if out, code := p.run("git add main.hcl && git commit -q -m bad"); code == 0 {
			t.Errorf("%s passes: %s", name, out)
		}
	}
	// Only what is staged counts.
	p.write("main.hcl", good+"\n# a remark\n")
	p.mustRun("git add main.hcl")
	p.write("main.hcl", "mirror {")
	p.mustRun("git commit -q -m good")
	var config struct {
		Repos []struct {
			Hooks []struct {
				ID    string `yaml:"id"`
				Entry string `yaml:"entry"`
			} `yaml:"hooks"`
		} `yaml:"repos"`
	}
	yamlFile(t, "pre-commit/.pre-commit-config.yaml", &config)
	p.write("main.hcl", good)
	for _, h := range config.Repos[0].Hooks {
		p.mustRun("cd ../.. && " + h.Entry + " mirrors/prod/main.hcl")
	}
	p.mustRun("mkdir '../of two words' && cp main.hcl '../of two words'")
	for _, h := range config.Repos[0].Hooks {
		p.mustRun("cd ../.. && " + h.Entry + " 'mirrors/of two words/main.hcl' mirrors/prod/main.hcl")
	}
	p.write("main.hcl", "mirror {")
	for _, h := range config.Repos[0].Hooks {
		if _, code := p.run("cd ../.. && " + h.Entry + " mirrors/prod/main.hcl"); code == 0 {
			t.Errorf("%s passes a broken file", h.ID)
		}
	}
}

// codeHost keeps the comments of one pull request, as GitHub and GitLab do.
type codeHost struct {
	*httptest.Server
	t        *testing.T
	mu       sync.Mutex
	comments []comment
	unmerged bool
	artefact string
}

type comment struct {
	ID     int            `json:"id"`
	Body   string         `json:"body"`
	User   map[string]any `json:"user"`
	Author map[string]any `json:"author"`
}

func newCodeHost(t *testing.T) *codeHost {
	h := &codeHost{t: t, comments: []comment{
		{1, "Looks good", map[string]any{"login": "reviewer"}, map[string]any{"id": 1}},
		{2, "<!-- spmirror:plan env=prod -->\nof a stranger", map[string]any{"login": "stranger"}, map[string]any{"id": 2}},
	}}
	h.Server = httptest.NewServer(h)
	t.Cleanup(h.Close)
	return h
}

// set changes the host while it serves.
func (h *codeHost) set(change func(*codeHost)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	change(h)
}

// wantOneComment checks that the bot has one comment, and that nobody else's changed.
func (h *codeHost) wantOneComment(text string) {
	h.t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.comments) != 3 || !strings.HasSuffix(h.comments[1].Body, "of a stranger") || !strings.Contains(h.comments[2].Body, text) {
		h.t.Errorf("comments, want one more with %q: %+v", text, h.comments)
	}
}

func (h *codeHost) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if r.Header.Get("Authorization") != "Bearer secret" && r.Header.Get("PRIVATE-TOKEN") != "secret" {
		http.Error(w, "no token", http.StatusUnauthorized)
		return
	}
	merged := "2026-11-22T06:00:00Z"
	switch route := r.Method + " " + r.URL.Path; route {
	case "GET /user":
		h.answer(w, map[string]any{"id": 99})
	case "GET /repos/example/mirrors/issues/42/comments", "GET /projects/7/merge_requests/42/notes":
		if r.URL.Query().Get("page") == "1" {
			h.answer(w, h.comments)
		} else {
			h.answer(w, []comment{})
		}
	case "POST /repos/example/mirrors/issues/42/comments", "POST /projects/7/merge_requests/42/notes":
		h.comments = append(h.comments, comment{len(h.comments) + 1, h.body(r), map[string]any{"login": "github-actions[bot]"}, map[string]any{"id": 99}})
		h.answer(w, h.comments[len(h.comments)-1])
	case "PATCH /repos/example/mirrors/issues/comments/3", "PUT /projects/7/merge_requests/42/notes/3":
		h.comments[2].Body = h.body(r)
		h.answer(w, h.comments[2])
	case "GET /repos/example/mirrors/commits/merged/pulls":
		pull := map[string]any{"head": map[string]any{"sha": "head"}, "merged_at": merged}
		if h.unmerged {
			pull["merged_at"] = nil
		}
		h.answer(w, []any{pull})
	case "GET /repos/example/mirrors/actions/workflows/spmirror-plan.yml/runs":
		h.answer(w, map[string]any{"workflow_runs": []any{map[string]any{"id": 5}}})
	case "GET /projects/7/repository/commits/merged/merge_requests":
		h.answer(w, []any{map[string]any{"iid": 42, "state": "merged"}})
	case "GET /projects/7/merge_requests/42/pipelines":
		h.answer(w, []any{map[string]any{"id": 4, "status": "failed"}, map[string]any{"id": 5, "status": "success"}})
	case "GET /projects/7/pipelines/5/jobs":
		h.answer(w, []any{map[string]any{"id": 6, "name": "spmirror plan"}})
	case "GET /projects/7/jobs/6/artifacts/mirrors/prod/pr.spplan":
		_, _ = io.WriteString(w, h.artefact)
	default:
		http.Error(w, "no such route: "+route, http.StatusNotFound)
	}
}

func (h *codeHost) body(r *http.Request) string {
	var c comment
	if err := json.NewDecoder(r.Body).Decode(&c); err != nil {
		return fmt.Sprint(err)
	}
	return c.Body
}

func (h *codeHost) answer(w http.ResponseWriter, v any) {
	if err := json.NewEncoder(w).Encode(v); err != nil {
		h.t.Error(err)
	}
}
