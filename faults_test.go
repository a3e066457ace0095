package spmirror_test

import (
	"fmt"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"
)

// rowsOfFaults are the rows that docs/faults.md must have: letter, first, last.
var rowsOfFaults = []struct {
	form        string
	first, last int
}{{"N%02d", 1, 23}, {"M%02d", 1, 15}, {"F%02d", 1, 20}, {"R%02d", 1, 12}, {"S%02d", 1, 11}, {"H-%d", 53, 64}}

// faultRows are the rows of the tables by their number.
func faultRows(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("docs/faults.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]string{}
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(line, "|")
		if len(cells) < 4 {
			continue
		}
		number := strings.TrimSpace(cells[1])
		if _, twice := rows[number]; twice && number != "#" && number != "---" {
			t.Errorf("docs/faults.md has the row %s twice", number)
		}
		rows[number] = line
	}
	return rows
}

func TestEveryTestNamedInTheTableOfFaultsExists(t *testing.T) {
	declared := declaredTests(t)
	name := regexp.MustCompile("`((?:Test|Fuzz)[A-Za-z0-9]+)`|`([a-z_]+\\.txtar)`")
	found := 0
	for number, row := range faultRows(t) {
		for _, m := range name.FindAllStringSubmatch(row, -1) {
			found++
			if m[1] != "" && !declared[m[1]] {
				t.Errorf("docs/faults.md, %s: there is no %s", number, m[1])
			}
			if m[2] != "" {
				if _, err := os.Stat(path.Join("cmd/spmirror/testdata/script", m[2])); err != nil {
					t.Errorf("docs/faults.md, %s: %v", number, err)
				}
			}
		}
	}
	if found < 200 {
		t.Fatalf("only %d tests are named: the check would prove nothing", found)
	}
}

// A row names a test, or says in words why there is none.
func TestTheTableOfFaultsIsComplete(t *testing.T) {
	rows := faultRows(t)
	for _, part := range rowsOfFaults {
		for n := part.first; n <= part.last; n++ {
			number := fmt.Sprintf(part.form, n)
			row, ok := rows[number]
			switch {
			case !ok:
				t.Errorf("docs/faults.md has no row %s", number)
			case !strings.Contains(row, "`Test") && !strings.Contains(row, "no test") && !strings.Contains(row, "no row"):
				t.Errorf("docs/faults.md, %s: neither a test nor a reason: %s", number, row)
			}
		}
	}
}
