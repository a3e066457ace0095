package main

import (
	"os"
	"testing"

	"github.com/spmirror/spmirror/sandbox"
)

// Edits that once went wrong, each on a library of its own.
func TestMovesThatCrossEachOtherAreMade(t *testing.T) {
	tree := []sandbox.FileSpec{
		{Path: "a/one.txt", Text: "one"}, {Path: "a/two.txt", Text: "two"}, {Path: "a/deep/three.txt", Text: "three"},
		{Path: "b/four.txt", Text: "four"}, {Path: "z/five.txt", Text: "five"}, {Path: "six.txt", Text: "six"}, {Path: "seven.txt", Text: "seven"},
	}
	for name, edits := range map[string][]sandbox.Edit{
		"out of a folder that moves": {
			{Op: sandbox.OpMove, Path: "/a/one.txt", To: "/z/one.txt"}, {Op: sandbox.OpRename, Path: "/a", To: "moved"},
		},
		"into a folder below one that moves": {
			{Op: sandbox.OpMove, Path: "/six.txt", To: "/a/deep/six.txt"}, {Op: sandbox.OpRename, Path: "/a", To: "moved"},
		},
		"within a folder that moves below another that moves": {
			{Op: sandbox.OpRename, Path: "/a/deep/three.txt", To: "3.txt"}, {Op: sandbox.OpMove, Path: "/a", To: "/z/a"},
			{Op: sandbox.OpRename, Path: "/z", To: "0"},
		},
		"a folder below what was below it": {
			{Op: sandbox.OpMove, Path: "/a/deep", To: "/deep"}, {Op: sandbox.OpMove, Path: "/a", To: "/deep/a"},
		},
		"two folders that change places": {
			{Op: sandbox.OpSwap, Path: "/a", To: "/b"}, {Op: sandbox.OpMove, Path: "/a/four.txt", To: "/b/deep/four.txt"},
		},
		"a new file in the place of one that moves": {
			{Op: sandbox.OpRename, Path: "/six.txt", To: "6.txt"}, {Op: sandbox.OpPut, Path: "/six.txt", Text: text("another six")},
		},
		"an updated file in the place of an updated one that moves": {
			{Op: sandbox.OpSwap, Path: "/six.txt", To: "/seven.txt"}, {Op: sandbox.OpPut, Path: "/six.txt", Text: text("new six")},
			{Op: sandbox.OpPut, Path: "/seven.txt", Text: text("new seven")},
		},
		"a new file in the place of a deleted one": {
			{Op: sandbox.OpDelete, Path: "/six.txt"}, {Op: sandbox.OpPut, Path: "/six.txt", Text: text("another six")},
		},
		"a file in the place of a folder": {
			{Op: sandbox.OpDelete, Path: "/b"}, {Op: sandbox.OpPut, Path: "/b", Text: text("a file now")},
		},
		"a folder in the place of a file": {
			{Op: sandbox.OpDelete, Path: "/six.txt"}, {Op: sandbox.OpPut, Path: "/six.txt/inside.txt", Text: text("below")},
		},
		"a moved file in the place of a deleted one": {
			{Op: sandbox.OpDelete, Path: "/six.txt"}, {Op: sandbox.OpMove, Path: "/a/one.txt", To: "/six.txt"},
			{Op: sandbox.OpPut, Path: "/six.txt", Text: text("moved and changed")},
		},
		"only the case of a folder and of a file in it": {
			{Op: sandbox.OpRename, Path: "/a", To: "A"}, {Op: sandbox.OpRename, Path: "/A/one.txt", To: "ONE.txt"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, sandbox.DriveSpec{Files: tree})
			w.run(exitOK, "apply", "-auto-approve")
			before := w.truth()
			for _, e := range edits {
				e.Drive = "people/Documents"
				if _, err := w.tenant.Apply(e); err != nil {
					t.Fatal(err)
				}
			}
			w.run(exitOK, "plan", "-out=edits.spplan")
			want, bytes := expected(before, w.truth())
			got := w.planned("edits.spplan")
			for id, action := range want {
				if got[id] != action {
					t.Errorf("%s is planned as %q, want %q", id, got[id], action)
				}
			}
			w.tenant.ResetStats()
			w.run(exitOK, "apply", "edits.spplan")
			if sent := w.tenant.Stats().ContentBytes; sent != bytes {
				t.Errorf("%d bytes were downloaded, want %d", sent, bytes)
			}
			w.matchesTenant()
			w.unchanged()
			w.wellBehaved()
		})
	}
}

func text(s string) *string { return &s }

// Edits at the source that meet a local edit or loss of the same files.
func TestLocalDamageDoesNotStopWhatTheSourceChanged(t *testing.T) {
	tree := []sandbox.FileSpec{{Path: "a/one.txt", Text: "one"}, {Path: "six.txt", Text: "six"}, {Path: "seven.txt", Text: "seven"}}
	takeOver := []sandbox.Edit{{Op: sandbox.OpDelete, Path: "/six.txt"}, {Op: sandbox.OpPut, Path: "/six.txt", Text: text("another six")}}
	moveOver := []sandbox.Edit{{Op: sandbox.OpDelete, Path: "/six.txt"}, {Op: sandbox.OpMove, Path: "/a/one.txt", To: "/six.txt"}}
	for name, test := range map[string]struct {
		edits           []sandbox.Edit
		missing, edited []string
	}{
		"both missing, swapped":      {edits: []sandbox.Edit{{Op: sandbox.OpSwap, Path: "/six.txt", To: "/seven.txt"}}, missing: []string{"six.txt", "seven.txt"}},
		"one missing, swapped":       {edits: []sandbox.Edit{{Op: sandbox.OpSwap, Path: "/six.txt", To: "/seven.txt"}}, missing: []string{"six.txt"}},
		"edited, renamed":            {edits: []sandbox.Edit{{Op: sandbox.OpRename, Path: "/six.txt", To: "6.txt"}}, edited: []string{"six.txt"}},
		"edited, swapped":            {edits: []sandbox.Edit{{Op: sandbox.OpSwap, Path: "/six.txt", To: "/seven.txt"}}, edited: []string{"six.txt", "seven.txt"}},
		"edited, deleted":            {edits: takeOver[:1], edited: []string{"six.txt"}},
		"edited, replaced by a new":  {edits: takeOver, edited: []string{"six.txt"}},
		"missing, replaced by a new": {edits: takeOver, missing: []string{"six.txt"}},
		"edited, another moves in":   {edits: moveOver, edited: []string{"six.txt", "a/one.txt"}},
		"missing, another moves in":  {edits: moveOver, missing: []string{"six.txt"}},
		"folder missing, renamed":    {edits: []sandbox.Edit{{Op: sandbox.OpRename, Path: "/a", To: "b"}}, missing: []string{"a/one.txt", "a"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, sandbox.DriveSpec{Files: tree})
			w.run(exitOK, "apply", "-auto-approve")
			for _, e := range test.edits {
				e.Drive = "people/Documents"
				if _, err := w.tenant.Apply(e); err != nil {
					t.Fatal(err)
				}
			}
			for _, path := range test.missing {
				if err := os.Remove(w.path("mirror/" + path)); err != nil {
					t.Fatal(err)
				}
			}
			for _, path := range test.edited {
				w.write("mirror/"+path, "edited here: "+path)
			}
			w.run(exitOK, "apply", "-auto-approve")
			w.matchesTenant()
			w.unchanged()
			w.trashed(len(test.edited))
		})
	}
}
