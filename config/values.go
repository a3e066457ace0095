package config

import (
	"encoding/json"
	"fmt"
	"math/big"
	"time"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// mark is the type of our cty marks, so that no other package can make them.
type mark string

// sensitive marks a value that must not be shown. cty carries the mark through
// every expression.
const sensitive = mark("sensitive")

// isSensitive reports whether any part of the value is marked.
func isSensitive(v cty.Value) bool { return v.ContainsMarked() }

// withoutMarks removes the marks at every depth.
func withoutMarks(v cty.Value) cty.Value {
	plain, _ := v.UnmarkDeep()
	return plain
}

// withinLimits bounds the elements and the text of one value (H-90: locals that
// double each other reach any size within forty lines).
func withinLimits(v cty.Value) bool {
	elements, text := 0, 0
	var walk func(cty.Value) bool
	walk = func(v cty.Value) bool {
		elements++
		v, _ = v.Unmark()
		if v.IsNull() || !v.IsKnown() {
			return elements <= maxElements
		}
		switch {
		case v.Type() == cty.String:
			text += len(v.AsString())
		case v.CanIterateElements():
			for it := v.ElementIterator(); it.Next(); {
				_, element := it.Element()
				if !walk(element) {
					return false
				}
			}
		}
		return elements <= maxElements && text <= maxValueText
	}
	return walk(v)
}

// toJSON is the value as JSON; unknown values and values that JSON cannot hold are null.
func toJSON(v cty.Value) json.RawMessage {
	plain := withoutMarks(v)
	if !plain.IsWhollyKnown() {
		return json.RawMessage("null")
	}
	data, err := ctyjson.Marshal(plain, plain.Type())
	if err != nil {
		return json.RawMessage("null")
	}
	return data
}

// fromGo turns plain Go data, as other rooms hand it in, into a value: maps become
// objects, slices tuples, and times RFC 3339 text.
func fromGo(data any) (cty.Value, error) {
	switch x := data.(type) {
	case nil:
		return cty.NullVal(cty.DynamicPseudoType), nil
	case string:
		return cty.StringVal(x), nil
	case bool:
		return cty.BoolVal(x), nil
	case int:
		return cty.NumberIntVal(int64(x)), nil
	case int64:
		return cty.NumberIntVal(x), nil
	case uint64:
		return cty.NumberUIntVal(x), nil
	case float64:
		if x != x || x > 1e300 || x < -1e300 {
			return cty.NilVal, fmt.Errorf("number %v has no value", x)
		}
		return cty.NumberFloatVal(x), nil
	case json.Number:
		f, _, err := big.ParseFloat(x.String(), 10, 512, big.ToNearestEven)
		if err != nil {
			return cty.NilVal, fmt.Errorf("number %q: %w", x, err)
		}
		return cty.NumberVal(f), nil
	case time.Time:
		return cty.StringVal(x.UTC().Format(time.RFC3339)), nil
	case []string:
		list := make([]any, len(x))
		for i, s := range x {
			list[i] = s
		}
		return fromGo(list)
	case []any:
		elements := make([]cty.Value, len(x))
		for i, item := range x {
			v, err := fromGo(item)
			if err != nil {
				return cty.NilVal, fmt.Errorf("[%d]: %w", i, err)
			}
			elements[i] = v
		}
		return cty.TupleVal(elements), nil
	case map[string]any:
		members := make(map[string]cty.Value, len(x))
		for name, item := range x {
			v, err := fromGo(item)
			if err != nil {
				return cty.NilVal, fmt.Errorf("%s: %w", name, err)
			}
			members[name] = v
		}
		return cty.ObjectVal(members), nil
	}
	return cty.NilVal, fmt.Errorf("values of Go type %T have no form here", data)
}
