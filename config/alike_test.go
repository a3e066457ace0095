package config

import (
	"fmt"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
)

func TestWarningsThatAreAlikeAreCountedAndErrorsAreAllShown(t *testing.T) {
	var diags hcl.Diagnostics
	for n := range 2000 {
		diags = append(diags, problem(hcl.DiagWarning, CodeSource, hcl.Range{}, "Odd", "mirror %d is odd.", n))
	}
	diags = append(diags, problem(hcl.DiagWarning, CodeSource, hcl.Range{}, "Another", "another."))
	for n := range 10 {
		diags = append(diags, problem(hcl.DiagError, CodeSource, hcl.Range{}, "Wrong", "mirror %d is wrong.", n))
	}
	for _, color := range []bool{false, true} {
		var b strings.Builder
		if err := WriteDiagnostics(&b, diags, nil, TextOptions{Color: color}); err != nil {
			t.Fatal(err)
		}
		text := b.String()
		for want, times := range map[string]int{"is wrong.": 10, "is odd.": maxAlike, "another.": 1, fmt.Sprintf(": %d more like these", 2000-maxAlike): 1, "more like these": 1} {
			if got := strings.Count(text, want); got != times {
				t.Errorf("color %v: %q stands there %d times, want %d", color, want, got, times)
			}
		}
	}
}
