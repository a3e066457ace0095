package config

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/url"
	"path"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

func sumFunc() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "numbers", Type: cty.DynamicPseudoType}},
		Type:   function.StaticReturnType(cty.Number),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			list, err := convert.Convert(args[0], cty.List(cty.Number))
			if err != nil || list.IsNull() {
				return cty.NilVal, errors.New("sum takes a list or set of numbers")
			}
			if !list.IsWhollyKnown() {
				return cty.UnknownVal(cty.Number), nil
			}
			if list.LengthInt() == 0 {
				return cty.NilVal, errors.New("sum of an empty list")
			}
			total := cty.Zero
			for it := list.ElementIterator(); it.Next(); {
				_, n := it.Element()
				if n.IsNull() {
					return cty.NilVal, errors.New("an element is null")
				}
				total = total.Add(n)
			}
			return total, nil
		},
	})
}

func startsWithFunc() function.Function {
	return predicate("text", "prefix", func(s, p string) (bool, error) { return strings.HasPrefix(s, p), nil })
}

func endsWithFunc() function.Function {
	return predicate("text", "suffix", func(s, p string) (bool, error) { return strings.HasSuffix(s, p), nil })
}

func strContainsFunc() function.Function {
	return predicate("text", "part", func(s, p string) (bool, error) { return strings.Contains(s, p), nil })
}

func quantifier(all bool) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "list", Type: cty.DynamicPseudoType}},
		Type:   function.StaticReturnType(cty.Bool),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			list, known, err := bools(args[0])
			if err != nil {
				return cty.NilVal, errors.New("a list of true and false is needed")
			}
			if !known {
				return cty.UnknownVal(cty.Bool), nil
			}
			for _, b := range list {
				if b != all {
					return cty.BoolVal(!all), nil
				}
			}
			return cty.BoolVal(all), nil
		},
	})
}

func allTrueFunc() function.Function { return quantifier(true) }
func anyTrueFunc() function.Function { return quantifier(false) }

// lengthFunc counts characters of a string as well as elements of a collection.
func lengthFunc() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "value", Type: cty.DynamicPseudoType, AllowDynamicType: true, AllowUnknown: true}},
		Type:   function.StaticReturnType(cty.Number),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			v := args[0]
			switch {
			case v.Type() == cty.DynamicPseudoType:
				return cty.UnknownVal(cty.Number), nil
			case v.Type() == cty.String:
				return stdlib.Strlen(v)
			case v.CanIterateElements(), v.Type().IsCollectionType(), v.Type().IsTupleType(), v.Type().IsObjectType():
				if v.Type().IsObjectType() {
					return cty.NumberIntVal(int64(len(v.Type().AttributeTypes()))), nil
				}
				return v.Length(), nil
			}
			return cty.NilVal, errors.New("length takes a string, list, set, map or object")
		},
	})
}

func matchKeysFunc() function.Function {
	list := cty.List(cty.DynamicPseudoType)
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "values", Type: list}, {Name: "keys", Type: list}, {Name: "search", Type: list}},
		Type:   func(args []cty.Value) (cty.Type, error) { return args[0].Type(), nil },
		Impl: func(args []cty.Value, ret cty.Type) (cty.Value, error) {
			if !args[0].IsWhollyKnown() || !args[1].IsWhollyKnown() || !args[2].IsWhollyKnown() {
				return cty.UnknownVal(ret), nil
			}
			if args[0].LengthInt() != args[1].LengthInt() {
				return cty.NilVal, errors.New("values and keys have different lengths")
			}
			var out []cty.Value
			values, keys := args[0].AsValueSlice(), args[1].AsValueSlice()
			for i, key := range keys {
				for _, want := range args[2].AsValueSlice() {
					if eq, err := stdlib.Equal(key, want); err == nil && eq.IsKnown() && eq.True() {
						out = append(out, values[i])
						break
					}
				}
			}
			if len(out) == 0 {
				return cty.ListValEmpty(ret.ElementType()), nil
			}
			return cty.ListVal(out), nil
		},
	})
}

func oneFunc() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "list", Type: cty.DynamicPseudoType}},
		Type: func(args []cty.Value) (cty.Type, error) {
			t := args[0].Type()
			switch {
			case t.IsListType(), t.IsSetType():
				return t.ElementType(), nil
			case t.IsTupleType() && len(t.TupleElementTypes()) == 1:
				return t.TupleElementTypes()[0], nil
			case t.IsTupleType() && len(t.TupleElementTypes()) == 0:
				return cty.DynamicPseudoType, nil
			}
			return cty.NilType, errors.New("a list, set or tuple with at most one element is needed")
		},
		Impl: func(args []cty.Value, ret cty.Type) (cty.Value, error) {
			if !args[0].IsWhollyKnown() {
				return cty.UnknownVal(ret), nil
			}
			switch args[0].LengthInt() {
			case 0:
				return cty.NullVal(ret), nil
			case 1:
				it := args[0].ElementIterator()
				it.Next()
				_, v := it.Element()
				return v, nil
			}
			return cty.NilVal, errors.New("there is more than one element")
		},
	})
}

func transposeFunc() function.Function {
	t := cty.Map(cty.List(cty.String))
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "map", Type: t}},
		Type:   function.StaticReturnType(t),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			if !args[0].IsWhollyKnown() {
				return cty.UnknownVal(t), nil
			}
			turned := map[string][]cty.Value{}
			for it := args[0].ElementIterator(); it.Next(); {
				key, list := it.Element()
				if list.IsNull() {
					continue
				}
				for _, v := range list.AsValueSlice() {
					if v.IsNull() {
						return cty.NilVal, errors.New("an element is null")
					}
					turned[v.AsString()] = append(turned[v.AsString()], key)
				}
			}
			if len(turned) == 0 {
				return cty.MapValEmpty(cty.List(cty.String)), nil
			}
			out := map[string]cty.Value{}
			for k, list := range turned {
				out[k] = cty.ListVal(list)
			}
			return cty.MapVal(out), nil
		},
	})
}

func base64DecodeFunc() function.Function {
	return textFunc(func(s string) (string, error) {
		data, err := base64.StdEncoding.DecodeString(s)
		if err != nil || !utf8.Valid(data) {
			return "", errors.New("the text is not base64 of UTF-8 text")
		}
		return string(data), nil
	})
}

func base64EncodeFunc() function.Function {
	return textFunc(func(s string) (string, error) { return base64.StdEncoding.EncodeToString([]byte(s)), nil })
}

func urlEncodeFunc() function.Function {
	return textFunc(func(s string) (string, error) { return url.QueryEscape(s), nil })
}

func md5Sum(b []byte) []byte    { s := md5.Sum(b); return s[:] }
func sha1Sum(b []byte) []byte   { s := sha1.Sum(b); return s[:] }
func sha256Sum(b []byte) []byte { s := sha256.Sum256(b); return s[:] }
func sha512Sum(b []byte) []byte { s := sha512.Sum512(b); return s[:] }
func toHex(b []byte) string     { return hex.EncodeToString(b) }
func toBase64(b []byte) string  { return base64.StdEncoding.EncodeToString(b) }

func hashFunc(sum func([]byte) []byte, encode func([]byte) string) function.Function {
	return textFunc(func(s string) (string, error) { return encode(sum([]byte(s))), nil })
}

func uuidV5Func() function.Function {
	spaces := map[string]uuid.UUID{"dns": uuid.NameSpaceDNS, "url": uuid.NameSpaceURL, "oid": uuid.NameSpaceOID, "x500": uuid.NameSpaceX500}
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "namespace", Type: cty.String}, {Name: "name", Type: cty.String}},
		Type:   function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			space, ok := spaces[args[0].AsString()]
			if !ok {
				var err error
				if space, err = uuid.Parse(args[0].AsString()); err != nil {
					return cty.NilVal, errors.New("the namespace is dns, url, oid, x500 or a UUID")
				}
			}
			return cty.StringVal(uuid.NewSHA1(space, []byte(args[1].AsString())).String()), nil
		},
	})
}

func timeCmpFunc() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "a", Type: cty.String}, {Name: "b", Type: cty.String}},
		Type:   function.StaticReturnType(cty.Number),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			a, err := time.Parse(time.RFC3339, args[0].AsString())
			if err != nil {
				return cty.NilVal, errors.New("the first argument is not an RFC 3339 time")
			}
			b, err := time.Parse(time.RFC3339, args[1].AsString())
			if err != nil {
				return cty.NilVal, errors.New("the second argument is not an RFC 3339 time")
			}
			return cty.NumberIntVal(int64(a.Compare(b))), nil
		},
	})
}

func basenameFunc() function.Function {
	return textFunc(func(s string) (string, error) { return path.Base(s), nil })
}

func dirnameFunc() function.Function {
	return textFunc(func(s string) (string, error) { return path.Dir(s), nil })
}

// markFunc makes a function of any one value that keeps its type.
func markFunc(impl func(cty.Value) cty.Value) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "value", Type: cty.DynamicPseudoType, AllowDynamicType: true, AllowMarked: true, AllowNull: true, AllowUnknown: true}},
		Type:   func(args []cty.Value) (cty.Type, error) { return args[0].Type(), nil },
		Impl:   func(args []cty.Value, _ cty.Type) (cty.Value, error) { return impl(args[0]), nil },
	})
}

func sensitiveFunc() function.Function {
	return markFunc(func(v cty.Value) cty.Value { return v.Mark(sensitive) })
}

func nonsensitiveFunc() function.Function {
	return markFunc(func(v cty.Value) cty.Value { v, _ = v.Unmark(); return v })
}

func isSensitiveFunc() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "value", Type: cty.DynamicPseudoType, AllowDynamicType: true, AllowMarked: true, AllowNull: true, AllowUnknown: true}},
		Type:   function.StaticReturnType(cty.Bool),
		Impl:   func(args []cty.Value, _ cty.Type) (cty.Value, error) { return cty.BoolVal(isSensitive(args[0])), nil },
	})
}
