package main

import (
	"reflect"
	"testing"

	"github.com/spmirror/spmirror/config"
	"github.com/spmirror/spmirror/sandbox"
)

// The seed of a library varies that library and leaves the others as they are.
func TestTheSeedOfALibraryVariesThatLibraryAlone(t *testing.T) {
	truth := func(seed int64) map[string]string {
		o, err := sandboxOptions(&config.Tenant{Name: "t", Sandbox: &config.Sandbox{Libraries: []config.SandboxLibrary{
			{Name: "Same", Files: 3}, {Name: "Varied", Files: 3, Seed: seed},
		}}}, "")
		if err != nil {
			t.Fatal(err)
		}
		tenant, err := sandbox.New(o)
		if err != nil {
			t.Fatal(err)
		}
		defer tenant.Close()
		hashes := make(map[string]string)
		for _, name := range []string{"people/Same", "people/Varied"} {
			for _, f := range tenant.Drive(name).Tree() {
				hashes[name] += f.QuickXorHash
			}
		}
		return hashes
	}
	one, two := truth(1), truth(2)
	if one["people/Same"] == "" || one["people/Same"] != two["people/Same"] {
		t.Errorf("the other library changed, or is empty: %q and %q", one["people/Same"], two["people/Same"])
	}
	if one["people/Varied"] == two["people/Varied"] {
		t.Error("the seed changed nothing")
	}
	if again := truth(1); !reflect.DeepEqual(again, one) {
		t.Error("the same seed gave something else")
	}
}
