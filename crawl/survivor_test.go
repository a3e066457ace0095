package crawl

import "testing"

// A folder may be deleted while pages are read: what is in it came on a page before, and where the service tells the
// tombstone of the folder alone (D30) no later round takes it back.
func TestWhatWasListedBeforeItsFolderWasDeletedGoesWithTheFolder(t *testing.T) {
	for name, test := range map[string]struct {
		full bool
		item answer // of the file in the folder
		want []string
	}{
		"gone":                       {false, refusal(404, "itemNotFound"), []string{"root"}},
		"gone, in an enumeration":    {true, refusal(404, "itemNotFound"), []string{"root"}},
		"moved out":                  {false, answer{status: 200, body: file("f", "root")}, []string{"root", "f"}},
		"still shown where it was":   {false, answer{status: 200, body: file("f", "deep")}, []string{"root", "f"}},
		"not to be read":             {false, refusal(403, "accessDenied"), []string{"root", "f"}},
		"described as a tombstone":   {false, answer{status: 200, body: tombstone("f")}, []string{"root"}},
		"answered by something else": {false, answer{status: 200, body: file("g", "deep")}, []string{"root", "f"}},
	} {
		t.Run(name, func(t *testing.T) {
			scripted(t, func(l *library) {
				l.pages[""] = last("d1", rootJSON, folder("top", "root"), folder("deep", "top"), file("f", "deep"))
				l.settled()
				l.refresh(false)
				l.wantIDs("root", "top", "deep", "f")
				l.items["f"] = test.item
				link := "d1"
				if test.full {
					link = ""
				}
				l.pages[link] = next("p2", rootJSON, file("f", "deep"))
				l.pages["p2"] = last("d2", tombstone("top"), tombstone("deep"))
				if !test.full {
					l.pages["p2"] = last("d2", tombstone("top"))
				}
				l.pages["d2"] = last("d2", rootJSON)
				l.refresh(test.full)
				l.wantIDs(test.want...)
			})
		})
	}
}

// Folders that were listed are asked for like files, and what is in them once they are gone.
func TestASubtreeListedBeforeItsFolderWasDeletedGoesLevelByLevel(t *testing.T) {
	scripted(t, func(l *library) {
		l.pages[""] = last("d1", rootJSON, folder("top", "root"))
		l.settled()
		l.refresh(false)
		l.pages["d1"] = next("p2", folder("a", "top"), folder("b", "a"), file("c", "b"), folder("keep", "a"), file("kept", "keep"))
		l.pages["p2"] = last("d2", tombstone("top"))
		l.pages["d2"] = last("d2", rootJSON)
		l.items["keep"] = answer{status: 200, body: folder("keep", "root")}
		l.requests()
		l.refresh(false)
		l.wantIDs("root", "keep", "kept")
		l.refresh(false)
		l.requests()
		l.refresh(false)
		l.wantRequests("d2")
	})
}
