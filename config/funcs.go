package config

import (
	"github.com/hashicorp/hcl/v2/ext/tryfunc"
	yaml "github.com/zclconf/go-cty-yaml"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// functions is the table of everything that can be called: the pure part of what
// Terraform's users know under the same names, and a few words of our own. None has
// side effects, none looks at the clock, at random numbers or at the network.
func functions(sc *scope) map[string]function.Function {
	table := map[string]function.Function{
		// numbers
		"abs": stdlib.AbsoluteFunc, "ceil": stdlib.CeilFunc, "floor": stdlib.FloorFunc, "log": stdlib.LogFunc,
		"max": stdlib.MaxFunc, "min": stdlib.MinFunc, "parseint": stdlib.ParseIntFunc, "pow": powFunc(), "signum": stdlib.SignumFunc,
		"sum": sumFunc(),
		// strings
		"chomp": stdlib.ChompFunc, "format": guarded(stdlib.FormatFunc, formatWithin), "formatlist": guarded(stdlib.FormatListFunc, formatWithin),
		"indent": guarded(stdlib.IndentFunc, indentWithin), "join": guarded(stdlib.JoinFunc, joinWithin), "lower": stdlib.LowerFunc, "upper": stdlib.UpperFunc,
		"regex": stdlib.RegexFunc, "regexall": stdlib.RegexAllFunc, "replace": replaceFunc(), "split": stdlib.SplitFunc,
		"strrev": stdlib.ReverseFunc, "substr": stdlib.SubstrFunc, "title": stdlib.TitleFunc, "trim": stdlib.TrimFunc,
		"trimprefix": stdlib.TrimPrefixFunc, "trimsuffix": stdlib.TrimSuffixFunc, "trimspace": stdlib.TrimSpaceFunc,
		"startswith": startsWithFunc(), "endswith": endsWithFunc(), "strcontains": strContainsFunc(),
		// collections
		"alltrue": allTrueFunc(), "anytrue": anyTrueFunc(), "chunklist": stdlib.ChunklistFunc, "coalesce": stdlib.CoalesceFunc,
		"coalescelist": stdlib.CoalesceListFunc, "compact": stdlib.CompactFunc, "concat": stdlib.ConcatFunc,
		"contains": stdlib.ContainsFunc, "distinct": stdlib.DistinctFunc, "element": stdlib.ElementFunc,
		"flatten": stdlib.FlattenFunc, "index": stdlib.IndexFunc, "keys": stdlib.KeysFunc, "length": lengthFunc(),
		"lookup": stdlib.LookupFunc, "matchkeys": matchKeysFunc(), "merge": stdlib.MergeFunc, "one": oneFunc(),
		"range": stdlib.RangeFunc, "reverse": stdlib.ReverseListFunc, "setintersection": stdlib.SetIntersectionFunc,
		"setproduct": setProductFunc(), "setsubtract": stdlib.SetSubtractFunc, "setunion": stdlib.SetUnionFunc,
		"slice": stdlib.SliceFunc, "sort": stdlib.SortFunc, "transpose": transposeFunc(), "values": stdlib.ValuesFunc,
		"zipmap": stdlib.ZipmapFunc,
		// encoding
		"base64decode": base64DecodeFunc(), "base64encode": base64EncodeFunc(), "csvdecode": stdlib.CSVDecodeFunc,
		"jsondecode": guarded(stdlib.JSONDecodeFunc, shallow), "jsonencode": stdlib.JSONEncodeFunc, "urlencode": urlEncodeFunc(),
		"yamldecode": yamlDecodeFunc(), "yamlencode": yaml.YAMLEncodeFunc,
		// hashes
		"md5": hashFunc(md5Sum, toHex), "sha1": hashFunc(sha1Sum, toHex), "sha256": hashFunc(sha256Sum, toHex), "sha512": hashFunc(sha512Sum, toHex),
		"base64sha256": hashFunc(sha256Sum, toBase64), "base64sha512": hashFunc(sha512Sum, toBase64), "uuidv5": uuidV5Func(),
		// dates
		"formatdate": stdlib.FormatDateFunc, "timeadd": stdlib.TimeAddFunc, "timecmp": timeCmpFunc(),
		// paths
		"basename": basenameFunc(), "dirname": dirnameFunc(),
		// types
		"can": tryfunc.CanFunc, "try": tryfunc.TryFunc, "tobool": stdlib.MakeToFunc(cty.Bool), "tonumber": stdlib.MakeToFunc(cty.Number),
		"tostring": stdlib.MakeToFunc(cty.String), "tolist": uniform(stdlib.MakeToFunc(cty.List(cty.DynamicPseudoType)), cty.List, cty.ListVal),
		"toset": uniform(stdlib.MakeToFunc(cty.Set(cty.DynamicPseudoType)), cty.Set, cty.SetVal), "tomap": stdlib.MakeToFunc(cty.Map(cty.DynamicPseudoType)),
		"sensitive": sensitiveFunc(), "nonsensitive": nonsensitiveFunc(), "issensitive": isSensitiveFunc(),
		// ours
		"bytes": bytesFunc(), "slug": slugFunc(), "safepath": safePathFunc(), "globmatch": globMatchFunc(),
	}
	addFileFunctions(table, sc)
	return table
}

// Functions lists the names of all functions, for completion and documentation.
func Functions() []string { return sortedKeys(functions(&scope{session: &session{}})) }

// textFunc makes a function of one string.
func textFunc(f func(string) (string, error)) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "text", Type: cty.String}},
		Type:   function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			s, err := f(args[0].AsString())
			if err != nil {
				return cty.NilVal, err
			}
			return cty.StringVal(s), nil
		},
	})
}

// predicate makes a function of two strings that answers true or false.
func predicate(a, b string, f func(string, string) (bool, error)) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: a, Type: cty.String}, {Name: b, Type: cty.String}},
		Type:   function.StaticReturnType(cty.Bool),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			ok, err := f(args[0].AsString(), args[1].AsString())
			return cty.BoolVal(ok), err
		},
	})
}

// bools reads a list of booleans; null elements count as absent value false.
func bools(v cty.Value) ([]bool, bool, error) {
	list, err := convert.Convert(v, cty.List(cty.Bool))
	if err != nil {
		return nil, false, err
	}
	if !list.IsWhollyKnown() {
		return nil, false, nil
	}
	var out []bool
	for it := list.ElementIterator(); it.Next(); {
		_, e := it.Element()
		out = append(out, !e.IsNull() && e.True())
	}
	return out, true, nil
}
