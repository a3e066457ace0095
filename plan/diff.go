package plan

// contentSame reports whether the bytes applied for an item are those the
// source has now, as far as its metadata tells (D38, D39, Q37, Q39): equal hash
// and size decide; where there is no hash on one side an equal cTag or eTag
// does; anything else means another download.
func contentSame(it *Item, e *Entry) bool {
	sizesAgree := it.Size < 0 || e.RemoteSize < 0 || it.Size == e.RemoteSize
	if it.Hash != "" && e.RemoteHash != "" {
		return it.Hash == e.RemoteHash && sizesAgree
	}
	if !sizesAgree {
		return false
	}
	// The hash came after the download (C23): it describes the bytes on disk.
	if it.Hash != "" && it.Hash == e.Hash && (it.Size < 0 || it.Size == e.Size) {
		return true
	}
	if it.CTag != "" && e.CTag != "" {
		return it.CTag == e.CTag
	}
	return it.ETag != "" && it.ETag == e.ETag
}

// timeSame compares whole seconds: the service has no finer ones (V2), and some
// targets neither.
func timeSame(it *Item, e *Entry) bool {
	return it.Modified.IsZero() || it.Modified.Unix() == e.Modified.Unix()
}

func remoteOf(it *Item) *Remote {
	if it == nil {
		return nil
	}
	return &Remote{ETag: it.ETag, CTag: it.CTag, Size: it.Size, Hash: it.Hash, Modified: it.Modified, By: it.ModifiedBy}
}
