package config

import (
	"errors"
	"regexp"
	"strings"

	yaml "github.com/zclconf/go-cty-yaml"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// This file holds functions of the library whose result, or whose recursion, can be
// out of all proportion to their arguments, with limits in front of them (H-90).

var (
	errTooMuch = errors.New("the result would be too large")
	errTooDeep = errors.New("the text is nested too deep")
)

// guarded puts a check of the arguments in front of a function. Arguments are checked
// without their marks; those that are null or not known are left to the function.
func guarded(f function.Function, check func(args []cty.Value) error) function.Function {
	plain := func(args []cty.Value) []cty.Value {
		out := make([]cty.Value, len(args))
		for i, arg := range args {
			out[i], _ = arg.UnmarkDeep()
		}
		return out
	}
	open := func(p function.Parameter) function.Parameter { // what it does not take, f refuses itself
		p.AllowNull, p.AllowUnknown, p.AllowDynamicType, p.AllowMarked = true, true, true, true
		return p
	}
	var params []function.Parameter
	for _, p := range f.Params() {
		params = append(params, open(p))
	}
	var rest *function.Parameter
	if p := f.VarParam(); p != nil {
		rest = ptr(open(*p))
	}
	return function.New(&function.Spec{
		Params: params, VarParam: rest,
		Type: func(args []cty.Value) (cty.Type, error) {
			if err := check(plain(args)); err != nil { // some functions compute their result for its type
				return cty.NilType, err
			}
			return f.ReturnTypeForValues(args)
		},
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) { return f.Call(args) },
	})
}

// textArg is an argument as text, when it is one.
func textArg(args []cty.Value, i int) (string, bool) {
	if i >= len(args) || args[i].IsNull() || !args[i].IsKnown() || args[i].Type() != cty.String {
		return "", false
	}
	return args[i].AsString(), true
}

// extent is the length of a collection and of the longest text in it; a text is a
// collection of itself.
func extent(v cty.Value) (elements, longest int) {
	switch {
	case v.IsNull() || !v.IsKnown():
		return 0, 0
	case v.Type() == cty.String:
		return 1, len(v.AsString())
	case !v.CanIterateElements():
		return 1, 64 // numbers and truth values, printed
	}
	for it := v.ElementIterator(); it.Next(); {
		_, e := it.Element()
		if !e.IsNull() && e.IsKnown() && e.Type() == cty.String {
			longest = max(longest, len(e.AsString()))
		}
		elements++
	}
	return elements, max(longest, 64)
}

// formatWithin bounds format and formatlist: widths, and texts used many times.
func formatWithin(args []cty.Value) error {
	layout, ok := textArg(args, 0)
	if !ok {
		return nil
	}
	verbs := strings.Split(layout, "%")[1:]
	width, wide := 0, false
	for _, verb := range verbs {
		n := 0
		for _, c := range verb {
			switch {
			case c >= '0' && c <= '9':
				n = min(n*10+int(c-'0'), maxValueText)
				width, wide = width+n, wide || n > 9999
				continue
			case strings.ContainsRune(".-+ #[]", c):
				n = 0
				continue
			}
			break
		}
	}
	rows, longest := 1, 0
	for _, arg := range args[1:] {
		elements, text := extent(arg)
		rows, longest = max(rows, elements), max(longest, text)
	}
	if wide || rows*(len(layout)+width+len(verbs)*longest) > maxProduct {
		return errTooMuch
	}
	return nil
}

// indentWithin bounds the spaces that indent adds.
func indentWithin(args []cty.Value) error {
	text, ok := textArg(args, 1)
	if !ok || args[0].IsNull() || !args[0].IsKnown() || args[0].Type() != cty.Number {
		return nil
	}
	spaces, _ := args[0].AsBigFloat().Float64()
	if spaces < 0 || spaces > 1000 || (strings.Count(text, "\n")+1)*int(spaces) > maxProduct {
		return errTooMuch
	}
	return nil
}

// joinWithin bounds the separators that join writes.
func joinWithin(args []cty.Value) error {
	separator, ok := textArg(args, 0)
	total := 0
	for _, arg := range args[min(1, len(args)):] {
		elements, _ := extent(arg)
		total += elements
	}
	if ok && total*len(separator) > maxProduct {
		return errTooMuch
	}
	return nil
}

// maxProduct bounds what formatting may write at once.
const maxProduct = 64 << 20

// shallow refuses texts whose decoding would recurse without bound: brackets in JSON
// and YAML, and in YAML also lists within lists on one line.
func shallow(args []cty.Value) error {
	text, ok := textArg(args, 0)
	if !ok {
		return nil
	}
	depth, dashes, leading := 0, 0, true
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '[' || c == '{':
			depth++
		case (c == ']' || c == '}') && depth > 0:
			depth--
		case c == '\n':
			dashes, leading = 0, true
			continue
		case leading && (c == '-' || c == '?' || c == ':'):
			dashes++
			continue
		}
		if c := text[i]; c != ' ' && c != '\t' {
			leading = false
		}
		if depth > 1000 || dashes > 200 {
			return errTooDeep
		}
	}
	return nil
}

// yamlDecodeFunc decodes YAML with few aliases: some lines of them can stand for
// millions of values. Twenty reach at most 3^7 times a text that is small then.
func yamlDecodeFunc() function.Function {
	alias := regexp.MustCompile(`(?m)(?:^|[\s\[\]{},:?-])\*[^\s\[\]{},*]`)
	return guarded(yaml.YAMLDecodeFunc, func(args []cty.Value) error {
		text, ok := textArg(args, 0)
		if !ok || !strings.Contains(text, "&") { // without anchors there are no aliases
			return shallow(args)
		}
		if n := len(alias.FindAllStringIndex(text, 21)); n > 20 || n > 0 && len(text) > 64<<10 {
			return errors.New("the text has more aliases (*name) than are supported: 20, in at most 64 KiB")
		}
		return shallow(args)
	})
}

func powFunc() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "base", Type: cty.Number}, {Name: "power", Type: cty.Number}},
		Type:   function.StaticReturnType(cty.Number),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			if p, _ := args[1].AsBigFloat().Float64(); p > 1024 || p < -1024 {
				return cty.NilVal, errTooMuch
			}
			return stdlib.Pow(args[0], args[1])
		},
	})
}

func replaceFunc() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "text", Type: cty.String}, {Name: "search", Type: cty.String}, {Name: "replacement", Type: cty.String}},
		Type:   function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, ret cty.Type) (cty.Value, error) {
			text, search, replacement := args[0].AsString(), args[1].AsString(), args[2].AsString()
			if (len(text)+1)*(len(replacement)+1) > maxValueText {
				return cty.NilVal, errTooMuch
			}
			if len(search) > 1 && strings.HasPrefix(search, "/") && strings.HasSuffix(search, "/") {
				return stdlib.RegexReplace(args[0], cty.StringVal(search[1:len(search)-1]), args[2])
			}
			return stdlib.Replace(args[0], args[1], args[2])
		},
	})
}

// setProductFunc is stdlib's with a limit on the product, computed before it is made.
func setProductFunc() function.Function {
	return function.New(&function.Spec{
		VarParam: &function.Parameter{Name: "sets", Type: cty.DynamicPseudoType, AllowMarked: true},
		Type:     func(args []cty.Value) (cty.Type, error) { return stdlib.SetProductFunc.ReturnTypeForValues(args) },
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			total := 1
			for _, arg := range args {
				arg, _ = arg.Unmark()
				if arg.IsNull() || !arg.IsKnown() || !arg.CanIterateElements() {
					continue
				}
				if total *= max(arg.LengthInt(), 1); total > 2*maxInstances { // its cost is the square of that
					return cty.NilVal, errTooMuch
				}
			}
			return stdlib.SetProductFunc.Call(args)
		},
	})
}

// uniform is a conversion function with a short way for tuples whose elements have one
// type: the library compares every pair of element types, which takes minutes for the
// sizes we allow.
func uniform(general function.Function, collection func(cty.Type) cty.Type, build func([]cty.Value) cty.Value) function.Function {
	element := func(v cty.Value) (cty.Type, bool) {
		t := v.Type()
		if v.IsMarked() || !v.IsKnown() || v.IsNull() || !t.IsTupleType() || t.Length() == 0 {
			return cty.NilType, false
		}
		types := t.TupleElementTypes()
		for _, other := range types {
			if !other.Equals(types[0]) || other.HasDynamicTypes() {
				return cty.NilType, false
			}
		}
		return types[0], true
	}
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "value", Type: cty.DynamicPseudoType, AllowNull: true, AllowMarked: true, AllowDynamicType: true, AllowUnknown: true}},
		Type: func(args []cty.Value) (cty.Type, error) {
			if t, ok := element(args[0]); ok {
				return collection(t), nil
			}
			return general.ReturnTypeForValues(args)
		},
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			if _, ok := element(args[0]); ok {
				return build(args[0].AsValueSlice()), nil
			}
			return general.Call(args)
		},
	})
}
