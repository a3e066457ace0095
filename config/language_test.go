package config

import (
	"os"
	"regexp"
	"slices"
	"testing"
)

// TestTheLanguagePageNamesEverythingOfTheSchema compares docs/language.md with the
// schema: blocks, arguments, methods and their environment, data kinds and functions.
func TestTheLanguagePageNamesEverythingOfTheSchema(t *testing.T) {
	text, err := os.ReadFile("../docs/language.md")
	if err != nil {
		t.Fatal(err)
	}
	written := map[string]bool{}
	for _, word := range regexp.MustCompile(`[A-Za-z_][A-Za-z0-9_]*`).FindAllString(string(text), -1) {
		written[word] = true
	}
	wanted := append(methodNames(), environments...)
	wanted = append(wanted, Functions()...)
	for kind, args := range dataKinds {
		wanted = append(append(wanted, kind), args...)
	}
	for _, c := range credentials {
		wanted = append(wanted, c.env...)
	}
	wanted = append(wanted, namesOf(rootSpec)...)
	if len(wanted) < 250 {
		t.Fatalf("only %d names are looked for: the check would prove nothing", len(wanted))
	}
	slices.Sort(wanted)
	for _, name := range slices.Compact(wanted) {
		if !written[name] {
			t.Errorf("docs/language.md does not name %s", name)
		}
	}
}

// TestEveryArgumentHasItsPlaceOnTheLanguagePage wants each argument of the schema as
// code in the section of its block, so that a name that only occurs elsewhere does
// not count.
func TestEveryArgumentHasItsPlaceOnTheLanguagePage(t *testing.T) {
	text, err := os.ReadFile("../docs/language.md")
	if err != nil {
		t.Fatal(err)
	}
	sections := map[string]string{}
	parts := regexp.MustCompile(`(?m)^##+ (.+)$`).FindAllStringSubmatchIndex(string(text), -1)
	for i, p := range parts {
		end := len(text)
		if i+1 < len(parts) {
			end = parts[i+1][0]
		}
		for _, title := range regexp.MustCompile(`[a-z]+`).FindAllString(string(text[p[2]:p[3]]), -1) {
			sections[title] = string(text[p[1]:end])
		}
	}
	for _, block := range []*spec{settingsSpec, tenantSpec, authSpec, endpointsSpec, limitsSpec, sandboxSpec, mirrorSpec,
		selectSpec, contentSpec, metadataSpec, trashSpec, guardSpec, lifecycleSpec, checkSpec, outputSpec, importSpec,
		movedSpec, removedSpec, variableSpec} {
		section, found := sections[block.name]
		if !found {
			t.Errorf("docs/language.md has no section %s", block.name)
		}
		for _, arg := range block.args {
			if !regexp.MustCompile("`" + arg + "`").MatchString(section) {
				t.Errorf("the section %s of docs/language.md does not name %s", block.name, arg)
			}
		}
	}
}

// namesOf are the names of all blocks and arguments of a schema.
func namesOf(s *spec) []string {
	list := slices.Clone(s.args)
	for _, b := range s.blocks {
		list = append(append(list, b.name), namesOf(b)...)
	}
	return list
}
