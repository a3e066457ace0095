package config

import (
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// classify gives a diagnostic of the hcl library its code. The library has no codes;
// its summaries are stable within a version, and one that is not known here is still
// an expression or a syntax error, told apart by whether it was evaluated.
func classify(d *hcl.Diagnostic) *hcl.Diagnostic {
	if CodeOf(d) != "" {
		return d
	}
	return WithCode(d, codeOfSummary(d))
}

func codeOfSummary(d *hcl.Diagnostic) Code {
	known := map[string]Code{
		"Unsupported argument":                         CodeUnknownArgument,
		"Extraneous JSON object property":              CodeUnknownArgument,
		"Unsupported block type":                       CodeUnknownBlock,
		"Missing required argument":                    CodeMissingArgument,
		"Duplicate argument":                           CodeDuplicateBlock,
		"Attribute redefined":                          CodeDuplicateBlock,
		"Incorrect JSON value type":                    CodeType,
		"Missing block label":                          CodeBlockShape,
		"Missing dynamic content block":                CodeBlockShape,
		"Extraneous dynamic content block":             CodeBlockShape,
		"Insufficient dynamic block labels":            CodeBlockShape,
		"Extraneous dynamic block label":               CodeBlockShape,
		"Invalid dynamic for_each value":               CodeForEach,
		"Invalid dynamic iterator name":                CodeName,
		"Call to unknown function":                     CodeFunction,
		"Invalid function argument":                    CodeFunction,
		"Error in function call":                       CodeFunction,
		"Not enough function arguments":                CodeFunction,
		"Too many function arguments":                  CodeFunction,
		"Unknown variable":                             CodeReference,
		"Variables not allowed":                        CodeReference,
		"Function calls not allowed":                   CodeFunction,
		"Invalid type specification":                   CodeVariableDeclared,
		"Invalid default value for optional attribute": CodeVariableDeclared,
	}
	if code, ok := known[d.Summary]; ok {
		return code
	}
	switch {
	case strings.HasPrefix(d.Summary, "Extraneous label for"), strings.HasPrefix(d.Summary, "Missing ") && strings.Contains(d.Summary, " for "):
		return CodeBlockShape
	case strings.HasPrefix(d.Summary, "Unexpected ") && strings.HasSuffix(d.Summary, " block"):
		return CodeUnknownBlock
	case d.EvalContext != nil:
		return CodeExpression
	}
	return CodeSyntax
}
