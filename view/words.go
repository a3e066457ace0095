package view

import (
	"slices"

	"github.com/spmirror/spmirror/plan"
)

// shownOrder is the order of actions for people: dangerous first (UX 1.3, row 34).
var shownOrder = [...]plan.Action{
	plan.Blocked, plan.Delete, plan.Update, plan.Move, plan.Metadata, plan.Add, plan.Adopt, plan.Forget,
}

// symbol of an action; a word always stands beside it in the legend.
func symbol(a plan.Action) string {
	switch a {
	case plan.Add:
		return "+"
	case plan.Update:
		return "~"
	case plan.Move:
		return ">"
	case plan.Metadata:
		return "m"
	case plan.Delete:
		return "-"
	case plan.Forget:
		return "."
	case plan.Adopt:
		return "="
	}
	return "!"
}

func colourOf(a plan.Action) style {
	switch a {
	case plan.Add, plan.Adopt:
		return green
	case plan.Delete, plan.Blocked:
		return red
	case plan.Update, plan.Metadata:
		return yellow
	}
	return cyan
}

// legend is what the symbol means. Deletes for good are said in capitals.
func legend(a plan.Action, c *counts) string {
	switch a {
	case plan.Delete:
		switch c.forGood {
		case 0:
			return "delete (to trash)"
		case c.of(plan.Delete):
			return "DELETE FOR GOOD"
		}
		return "delete (some to trash, SOME FOR GOOD)"
	case plan.Forget:
		return "forget (files stay)"
	case plan.Adopt:
		return "adopt (equal file on disk)"
	case plan.Metadata:
		return "metadata only"
	case plan.Blocked:
		return "blocked (held back)"
	}
	return string(a)
}

// phrase says a reason for people. Unknown reasons, of a newer version, are shown
// as they are.
func phrase(r plan.Reason) string {
	if p, ok := phrases()[r]; ok {
		return p
	}
	return Name(string(r))
}

func phrases() map[plan.Reason]string {
	return map[plan.Reason]string{
		plan.SelectedByInclude:    "now selected by the configuration",
		plan.Deselected:           "no longer selected",
		plan.MirrorAdded:          "new mirror",
		plan.MirrorRemoved:        "mirror removed from the configuration",
		plan.ShortcutGone:         "shortcut removed in SharePoint or no longer followed",
		plan.DestroyRequested:     "destroy was asked for",
		plan.TargetMoved:          "target directory changed",
		plan.AddressMoved:         "moved block in the configuration",
		plan.ReplaceRequested:     "replacement requested",
		plan.NewAtSource:          "new in SharePoint",
		plan.ContentChanged:       "new content in SharePoint",
		plan.MetadataChanged:      "times changed in SharePoint",
		plan.Renamed:              "renamed in SharePoint",
		plan.Moved:                "moved in SharePoint",
		plan.Removed:              "removed in SharePoint",
		plan.LeftFolder:           "left the mirrored folder",
		plan.TypeChanged:          "file became a folder or the reverse",
		plan.SharingChanged:       "sharing changed in SharePoint",
		plan.ColumnsChanged:       "columns or tags changed in SharePoint",
		plan.VersionsMissing:      "earlier versions are missing",
		plan.BesideWanted:         "permissions, columns or versions now kept beside the mirror",
		plan.BesideUnwanted:       "permissions or columns no longer kept",
		plan.BesideUnwritten:      "the lists beside the mirror were not written by the last run",
		plan.MissingOnDisk:        "missing on disk",
		plan.ChangedOnDisk:        "changed on disk",
		plan.FailedLastRun:        "failed in the last run",
		plan.SupersededLastRun:    "changed during the last run",
		plan.EqualOnDisk:          "equal file on disk",
		plan.BlockedPreventDelete: "held back by lifecycle.prevent_delete",
		plan.BlockedLocalChange:   "changed on disk",
		plan.BlockedUntracked:     "an untracked file is in the way",
		plan.BlockedCollision:     "two names are one on this disk",
		plan.BlockedPathTooLong:   "path too long",
		plan.BlockedUnsafeName:    "name cannot be used on disk",
		plan.BlockedMalware:       "infected file",
		plan.BlockedOrphan:        "its folder is not in the listing",
		plan.BlockedUnknown:       "neither file nor folder any more",
		plan.BlockedHolding:       "holds items that are held back",
	}
}

// reasonsOf lists the reasons of an action, the most frequent first.
func reasonsOf(m *plan.Mirror, a plan.Action) []plan.Reason {
	var list []plan.Reason
	for r := range m.Reasons[a] {
		list = append(list, r)
	}
	slices.SortFunc(list, func(x, y plan.Reason) int {
		if d := m.Reasons[a][y] - m.Reasons[a][x]; d != 0 {
			return int(min(1, max(-1, d)))
		}
		if x < y {
			return -1
		}
		return 1
	})
	return list
}

// itemsOf counts items in words: 72 files; 3 folders; 1,190 files, 13 folders.
func itemsOf(files, folders int64) string {
	switch {
	case folders == 0:
		return count(files, "file")
	case files == 0:
		return count(folders, "folder")
	}
	return count(files, "file") + ", " + count(folders, "folder")
}
