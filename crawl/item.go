package crawl

import (
	"github.com/spmirror/spmirror/graph"
	"github.com/spmirror/spmirror/state"
)

// observed turns what the service said of an item into a row of the state. The
// download URL is a secret with a life of minutes and goes no further (C3, C8).
func observed(it *graph.Item) state.Item {
	row := state.Item{
		ID: state.ItemID(it.ID), Parent: state.ItemID(it.Parent), Name: it.Name,
		Size: it.Size, Modified: it.Modified, Created: it.Created,
		ETag: it.ETag, CTag: it.CTag, Hash: it.QuickXorHash,
		MimeType: it.MimeType, ModifiedBy: it.ModifiedBy,
		Deleted: it.Facets.Has(graph.Deleted),
	}
	row.Class, row.Note = class(it)
	return row
}

func class(it *graph.Item) (state.Class, string) {
	switch it.Class() {
	case graph.ClassRoot:
		return state.Root, ""
	case graph.ClassPackage:
		return state.Package, it.PackageType
	case graph.ClassShortcut:
		note := string(it.RemoteDrive) + "|" + string(it.RemoteItem)
		if it.RemoteFile {
			note += "|file"
		}
		return state.Shortcut, note
	case graph.ClassBundle:
		return state.Bundle, ""
	case graph.ClassFolder:
		return state.Folder, ""
	case graph.ClassFile:
		if it.Facets.Has(graph.Malware) {
			return state.Malware, it.MalwareDescription
		}
		return state.File, ""
	}
	return state.Unknown, ""
}
