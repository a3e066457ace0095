package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestBrokenConfigurationsAreExplained loads every file of testdata/broken alone and
// compares what the user reads with the .txt beside it. The working directory does
// not appear in any text, so the files are the same on every machine.
func TestBrokenConfigurationsAreExplained(t *testing.T) {
	names, err := filepath.Glob("testdata/broken/*.hcl*")
	if err != nil || len(names) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, name := range names {
		base := filepath.Base(name)
		t.Run(base, func(t *testing.T) {
			opts := Options{Dir: "testdata/broken", File: base, ToolVersion: "0.3.0", Env: []string{"HOME=/home/ada"}}
			cfg, diags := Load(opts)
			if len(diags) == 0 {
				t.Error("no diagnostic at all")
			}
			for _, d := range diags {
				if CodeOf(d) == "" {
					t.Errorf("no code: %s", d.Error())
				}
			}
			got := strings.ReplaceAll(text(t, cfg, diags), cfg.Dir, "DIR")
			golden := strings.TrimSuffix(strings.TrimSuffix(name, ".json"), ".hcl") + ".txt"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}
