package config

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// maxFileset bounds how many names fileset looks at.
const maxFileset = 20_000

// addFileFunctions adds the functions that read below the configuration directory.
// What they read becomes part of Config.Digest, so a plan made with other content of
// these files is stale.
func addFileFunctions(table map[string]function.Function, sc *scope) {
	s := sc.session
	table["file"] = textFunc(s.readText)
	table["filebase64"] = textFunc(func(name string) (string, error) {
		data, err := s.readInput(name)
		return base64.StdEncoding.EncodeToString(data), err
	})
	table["fileexists"] = fileExistsFunc(s)
	table["fileset"] = filesetFunc(s)
	table["filesha256"] = textFunc(func(name string) (string, error) {
		data, err := s.readInput(name)
		return toHex(sha256Sum(data)), err
	})
	table["templatefile"] = templateFileFunc(s, func() map[string]function.Function {
		inner := map[string]function.Function{}
		for name, f := range table {
			if name != "templatefile" { // a template that includes itself would never end
				inner[name] = f
			}
		}
		return inner
	})
}

// inside turns a path in an expression into a slash path below the configuration
// directory.
func (s *session) inside(name string) (string, error) {
	p := filepath.FromSlash(name)
	if filepath.IsAbs(p) {
		rel, err := filepath.Rel(s.dir, p)
		if err != nil {
			return "", errors.New("the path lies outside the configuration directory")
		}
		p = rel
	}
	p = filepath.Clean(p)
	if !filepath.IsLocal(p) {
		return "", errors.New("the path lies outside the configuration directory")
	}
	return filepath.ToSlash(p), nil
}

// readInput reads a file for a function and remembers its digest.
func (s *session) readInput(name string) ([]byte, error) {
	p, err := s.inside(name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", visible(name), err)
	}
	data, err := s.readConfined(p)
	if err != nil {
		return nil, fmt.Errorf("%s: %s", visible(name), reason(err))
	}
	s.read["file "+p] = toHex(sha256Sum(data))
	return data, nil
}

func (s *session) readText(name string) (string, error) {
	data, err := s.readInput(name)
	if err != nil {
		return "", err
	}
	if !utf8.Valid(data) {
		return "", fmt.Errorf("%s is not UTF-8 text; filebase64 reads other files", visible(name))
	}
	return string(data), nil
}

func fileExistsFunc(s *session) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "path", Type: cty.String}},
		Type:   function.StaticReturnType(cty.Bool),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			p, err := s.inside(args[0].AsString())
			if err != nil {
				return cty.NilVal, err
			}
			root, err := os.OpenRoot(s.dir)
			if err != nil {
				return cty.NilVal, err
			}
			defer root.Close()
			info, err := root.Stat(filepath.FromSlash(p))
			exists := err == nil && info.Mode().IsRegular()
			s.read["exists "+p] = fmt.Sprint(exists)
			return cty.BoolVal(exists), nil
		},
	})
}

func filesetFunc(s *session) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "path", Type: cty.String}, {Name: "pattern", Type: cty.String}},
		Type:   function.StaticReturnType(cty.Set(cty.String)),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			dir, pattern := args[0].AsString(), args[1].AsString()
			names, err := s.fileset(dir, pattern)
			if err != nil {
				return cty.NilVal, err
			}
			s.read["set "+dir+"|"+pattern] = toHex(sha256Sum([]byte(strings.Join(names, "\x00"))))
			if len(names) == 0 {
				return cty.SetValEmpty(cty.String), nil
			}
			values := make([]cty.Value, len(names))
			for i, n := range names {
				values[i] = cty.StringVal(n)
			}
			return cty.SetVal(values), nil
		},
	})
}

func (s *session) fileset(dir, pattern string) ([]string, error) {
	base, err := s.inside(dir)
	if err != nil {
		return nil, err
	}
	if code, why := globProblem(pattern); code != "" {
		return nil, errors.New(why)
	}
	root, err := os.OpenRoot(s.dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	var names []string
	seen := 0
	err = fs.WalkDir(root.FS(), base, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return errors.New(reason(err))
		}
		if seen++; seen > maxFileset {
			return fmt.Errorf("more than %d names below %s", maxFileset, visible(dir))
		}
		rel := p
		if base != "." {
			rel = strings.TrimPrefix(strings.TrimPrefix(p, base), "/")
		}
		if d.Type().IsRegular() && doublestar.MatchUnvalidated(pattern, rel) {
			names = append(names, rel)
		}
		return nil
	})
	slices.Sort(names)
	return names, err
}

func templateFileFunc(s *session, funcs func() map[string]function.Function) function.Function {
	render := func(args []cty.Value) (cty.Value, error) {
		name := args[0].AsString()
		src, err := s.readText(name)
		if err != nil {
			return cty.NilVal, err
		}
		if diags := templateNesting(name, []byte(src)); diags.HasErrors() {
			return cty.NilVal, errors.New("the template is nested too deep")
		}
		expr, diags := hclsyntax.ParseTemplate([]byte(src), path.Clean(name), hcl.InitialPos)
		if diags.HasErrors() {
			return cty.NilVal, fmt.Errorf("%s line %d: %s", visible(name), diags[0].Subject.Start.Line, diags[0].Detail)
		}
		vars := args[1]
		if vars.IsNull() || !vars.Type().IsObjectType() && !vars.Type().IsMapType() {
			return cty.NilVal, errors.New("the second argument is a map or object of the names that the template may use")
		}
		ctx := &hcl.EvalContext{Variables: map[string]cty.Value{}, Functions: funcs()}
		for it := vars.ElementIterator(); it.Next(); {
			k, v := it.Element()
			ctx.Variables[k.AsString()] = v
		}
		for _, ref := range expr.Variables() {
			if _, ok := ctx.Variables[ref.RootName()]; !ok {
				return cty.NilVal, fmt.Errorf("%s line %d uses %q, which the second argument does not give", visible(name), ref.SourceRange().Start.Line, ref.RootName())
			}
		}
		v, diags := expr.Value(ctx)
		if diags.HasErrors() {
			return cty.NilVal, fmt.Errorf("%s line %d: %s", visible(name), diags[0].Subject.Start.Line, diags[0].Detail)
		}
		return v, nil
	}
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "path", Type: cty.String}, {Name: "vars", Type: cty.DynamicPseudoType}},
		Type: func(args []cty.Value) (cty.Type, error) {
			if !args[0].IsKnown() || !args[1].IsWhollyKnown() {
				return cty.DynamicPseudoType, nil
			}
			v, err := render(args)
			if err != nil {
				return cty.NilType, err
			}
			return v.Type(), nil
		},
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			if !args[0].IsKnown() || !args[1].IsWhollyKnown() {
				return cty.DynamicVal, nil
			}
			return render(args)
		},
	})
}
