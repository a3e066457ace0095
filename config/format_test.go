package config

import (
	"bytes"
	"testing"
)

func TestFormatIsCanonical(t *testing.T) {
	for in, want := range map[string]string{
		"a=1\nbcd   = 2":                        "a   = 1\nbcd = 2\n",
		"mirror \"m\" {\ntarget=\"x\"\n}\n\n\n": "mirror \"m\" {\n  target = \"x\"\n}\n",
		"":                                      "",
		"\n\n":                                  "",
		"\ufeffa = 1\n":                         "a = 1\n",
		"locals {\n    a = [\n1,\n  2,\n]\n}\n": "locals {\n  a = [\n    1,\n    2,\n  ]\n}\n",
		"a = 1 # one\nbb = 2 # two\n":           "a  = 1 # one\nbb = 2 # two\n",
	} {
		got, diags := Format([]byte(in), "main.hcl")
		if diags.HasErrors() || string(got) != want {
			t.Errorf("%q gives %q, want %q (%v)", in, got, want, diags)
		}
	}
}

func TestFormatLeavesBrokenFilesAlone(t *testing.T) {
	for _, in := range []string{"a = ", "mirror {", "a = \"\u202e\""} {
		got, diags := Format([]byte(in), "main.hcl")
		if !diags.HasErrors() || string(got) != in {
			t.Errorf("%q gives %q (%v)", in, got, diags)
		}
	}
}

func FuzzFormat(f *testing.F) {
	f.Add([]byte("a=1\nb {\n c = [1,\n2]\n}\n"))
	f.Add([]byte("a = <<-EOT\n  x\n   EOT\n# c\nb = 1 // d\n"))
	f.Add([]byte("a { b = 1 }\n"))
	f.Fuzz(func(t *testing.T, src []byte) {
		once, diags := Format(src, "main.hcl")
		if diags.HasErrors() {
			return
		}
		twice, diags := Format(once, "main.hcl")
		if diags.HasErrors() || !bytes.Equal(once, twice) {
			t.Errorf("not stable: %q then %q then %q (%v)", src, once, twice, diags)
		}
	})
}
