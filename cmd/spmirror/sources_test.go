package main

import (
	"testing"

	"github.com/spmirror/spmirror/graph"
)

func TestALibraryIsFoundByItsNameFirstAndElseByItsAddress(t *testing.T) {
	const site = "https://contoso.sharepoint.com/sites/people/"
	drives := []graph.Drive{
		{ID: "renamed", Name: "Old projects", WebURL: site + "Projects"},
		{ID: "new", Name: "Projects", WebURL: site + "Projects1"},
		{ID: "default", Name: "Документы", WebURL: site + "Shared%20Documents"},
		{ID: "own", Name: "Berichte", WebURL: site + "%C3%84rger%20%26%20Co%20100%25"},
	}
	for name, want := range map[string]graph.DriveID{
		"Projects": "new", "old projects": "renamed", "Projects1": "new",
		"Shared Documents": "default", "документы": "default",
		"Ärger & Co 100%": "own", "berichte": "own",
		"Shared%20Documents": "default", "%C3%84rger%20%26%20Co%20100%25": "own", "Nothing": "",
	} {
		got, ok := libraryCalled(drives, name)
		if got.ID != want || ok != (want != "") {
			t.Errorf("%q is the library %q, want %q", name, got.ID, want)
		}
	}
}
