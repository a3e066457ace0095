package config

import (
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"
)

// Console evaluates one expression in the root module, as the console command does.
func (c *Config) Console(text string) (string, hcl.Diagnostics) {
	if c.root == nil {
		return "", hcl.Diagnostics{problem(hcl.DiagError, CodeEmpty, noRange, "No configuration", "The configuration could not be loaded.")}
	}
	s := c.root.session.resume()
	expr := s.parseExpression(consoleName, text)
	if expr == nil {
		return "", s.pause()
	}
	v, _, ok := c.root.lateEnv(nil).value(expr)
	if !ok {
		return "", s.pause()
	}
	return printValue(v), s.pause()
}

// consoleName stands for the file name of typed expressions.
const consoleName = "<console>"

func (s *session) parseExpression(name, text string) hcl.Expression {
	src := []byte(text)
	s.sources[name] = &hcl.File{Bytes: src}
	if problems := append(hiddenCharacters(name, src), nestingProblems(name, src)...); len(problems) > 0 {
		s.report(problems...)
		return nil
	}
	expr, diags := hclsyntax.ParseExpression(src, name, hcl.InitialPos)
	s.report(diags...)
	if diags.HasErrors() {
		return nil
	}
	return expr
}

// printValue prints a value as HCL, sensitive parts hidden.
func printValue(v cty.Value) string {
	switch {
	case isSensitive(v):
		return "(sensitive value)"
	case !v.IsWhollyKnown():
		return "(not known yet)"
	}
	tokens := hclwrite.TokensForValue(v)
	lines := strings.Split(string(hclwrite.Format(tokens.Bytes())), "\n")
	for i, l := range lines {
		lines[i] = visible(l)
	}
	return strings.Join(lines, "\n")
}
