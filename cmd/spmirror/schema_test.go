package main

import (
	"bytes"
	"os/exec"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// holds-to SCHEMA FILE checks a document, or each line of a stream of events, by the
// schema that the program prints.
func holdsTo(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: holds-to SCHEMA FILE")
	}
	text, err := exec.Command("spmirror", "schema", args[0]).Output()
	ts.Check(err)
	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	ts.Check(err)
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	ts.Check(compiler.AddResource("schema.json", parsed))
	schema, err := compiler.Compile("schema.json")
	ts.Check(err)
	documents := []string{ts.ReadFile(args[1])}
	if args[0] == "events" {
		documents = strings.Split(strings.TrimSpace(documents[0]), "\n")
	}
	for _, d := range documents {
		v, err := jsonschema.UnmarshalJSON(strings.NewReader(d))
		ts.Check(err)
		if err := schema.Validate(v); err != nil {
			ts.Fatalf("%s: %v\n%s", args[1], err, d)
		}
	}
}
