package main

import (
	"os"
	"path/filepath"
	"strings"
)

// commitOf finds the commit and branch a configuration is at: from the variables
// of the common pipelines, else from the repository around it. It reads two small
// files and runs no program: planning a stranger's branch must be safe.
func commitOf(dir string, env *environment) (commit, branch string) {
	for _, names := range [][2]string{
		{"GITHUB_SHA", "GITHUB_REF_NAME"}, {"CI_COMMIT_SHA", "CI_COMMIT_REF_NAME"}, {"BUILD_SOURCEVERSION", "BUILD_SOURCEBRANCHNAME"},
	} {
		if sha := env.get(names[0]); sha != "" {
			return sha, env.get(names[1])
		}
	}
	for {
		git := filepath.Join(dir, ".git")
		if head, err := os.ReadFile(filepath.Join(git, "HEAD")); err == nil {
			return readHead(git, strings.TrimSpace(string(head)))
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", ""
		}
		dir = up
	}
}

func readHead(git, head string) (commit, branch string) {
	ref, ok := strings.CutPrefix(head, "ref: ")
	if !ok {
		return head, ""
	}
	branch = strings.TrimPrefix(ref, "refs/heads/")
	if !filepath.IsLocal(ref) {
		return "", ""
	}
	sha, err := os.ReadFile(filepath.Join(git, filepath.FromSlash(ref)))
	if err != nil {
		return "", branch
	}
	return strings.TrimSpace(string(sha)), branch
}
