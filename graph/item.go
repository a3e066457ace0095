package graph

import (
	"strings"
	"time"

	"github.com/spmirror/spmirror/graph/quickxor"
)

// Facets is the set of facets of an item. An item may have several, or none.
type Facets uint32

// Facets and marks of an item.
const (
	File           Facets = 1 << iota
	Folder                // has children
	Root                  // the root of its drive; recognised by this alone, never by its name (D20)
	Package               // a OneNote notebook or the like (C25)
	RemoteItem            // a pointer to an item of another drive (C27)
	Bundle                // an album (C34)
	Deleted               // a tombstone (D26)
	Malware               // content is refused (C28)
	SpecialFolder         // a folder with a meaning to the service
	PendingContent        // a content change is queued (C22)
	Processing            // the service is still writing metadata into the file (C21)
	SharedChanged         // returned because a permission changed (D51)
	Shared                // shared; with SharingPrefer: has permissions of its own (D50)
)

// Has tells whether all facets of f are set.
func (set Facets) Has(f Facets) bool { return set&f == f }

// SizeUnknown is the size of an item whose size the service did not tell (quirk Q35).
const SizeUnknown = -1

// Item is a driveItem as the service described it. Every member is optional in the service; a zero value means that it
// was not told, except where a member says otherwise.
type Item struct {
	Drive       DriveID // of the item: from its parent reference, else the drive that was asked for
	ID          ItemID
	Parent      ItemID // "" for the root of a drive
	ParentDrive DriveID
	Name        string // exactly as received, even where it looks encoded (N8, quirk Q41)
	HasName     bool   // tombstones have none (D27)
	Size        int64  // SizeUnknown if not told
	Children    int64  // of a folder, those directly in it

	ETag, CTag   string    // quotes included (D35)
	QuickXorHash string    // base64; "" if absent (quirk Q37), never set on a tombstone (D28)
	Created      time.Time // of the file itself where told, else of the item (V1); zero if unknown
	Modified     time.Time
	ModifiedBy   string
	MimeType     string
	WebURL       string

	Facets             Facets
	PackageType        string
	DeletedState       string
	MalwareDescription string
	RemoteDrive        DriveID // where a remote item points
	RemoteItem         ItemID
	RemoteFile         bool   // it points to a file
	Sharing            string // how far and since when it is shared, as one text to be compared
	DownloadURL        SecretURL
}

// Class says what an item is to a mirror.
type Class uint8

// Classes of items. Tests are made in this order, for facets occur together in ways the pages rule out (C25).
const (
	ClassUnknown Class = iota // neither file nor folder, or both (H-44)
	ClassFile
	ClassFolder
	ClassRoot
	ClassPackage
	ClassShortcut // a remote item
	ClassBundle
)

// Class tells what the item is. Being deleted or infected does not change it.
func (it *Item) Class() Class {
	f := it.Facets
	switch {
	case f.Has(Root):
		return ClassRoot
	case f.Has(Package):
		return ClassPackage
	case f.Has(RemoteItem):
		return ClassShortcut
	case f.Has(Bundle):
		return ClassBundle
	case f.Has(File) && !f.Has(Folder):
		return ClassFile
	case f.Has(Folder) && !f.Has(File):
		return ClassFolder
	default:
		return ClassUnknown
	}
}

// BadItem is an item whose description breaks the protocol. The page it came on is good.
type BadItem struct {
	ID     ItemID // "" if not even that could be read for certain
	Reason string
}

const (
	maxName = 4 << 10 // a name has at most 400 characters (N4); this is far beyond, and refuses a megabyte (H-27)
	maxID   = 8 << 10
)

// Slots of texts that repeat from item to item.
const (
	slotDrive = iota
	slotParent
	slotMime
	slotMail
	slotPerson
)

// itemReader collects what is decided only when the whole item is known.
type itemReader struct {
	it                       Item
	outerCreated, outerModif time.Time
	sizeErr                  error
	nameOdd                  string
	hash                     string
	ids                      int  // members that tell an id
	idOdd                    bool // none of them can be relied on
}

// item reads one driveItem. An odd one is returned as bad, with as much of its id as could be read.
func (s *scanner) item(into *Item) *BadItem {
	outer := s.odd
	s.odd = ""
	defer func() { s.odd = outer }() // what is odd about an item is no matter of the page
	if s.peek() != '{' {
		s.skip()
		return &BadItem{Reason: "it is not an object"}
	}
	r := itemReader{it: Item{Size: SizeUnknown}}
	s.object(func(key []byte) { s.itemMember(&r, key) })
	r.finish()
	*into = r.it
	if reason := r.verdict(s.odd); reason != "" {
		return &BadItem{ID: r.it.ID, Reason: reason}
	}
	return nil
}

// itemMember reads one member of an item. Unknown ones are skipped: driveItem is an open type (V13).
func (s *scanner) itemMember(r *itemReader, key []byte) {
	it := &r.it
	switch string(key) {
	case "id":
		s.itemID(r)
	case "name":
		s.itemName(r)
	case "size":
		it.Size, r.sizeErr = s.itemSize()
	case "eTag":
		it.ETag = s.text()
	case "cTag":
		it.CTag = s.text()
	case "webUrl":
		it.WebURL = s.text()
	case "createdDateTime":
		r.outerCreated = s.time()
	case "lastModifiedDateTime":
		r.outerModif = s.time()
	case "fileSystemInfo":
		s.optional(func(key []byte) {
			switch string(key) {
			case "createdDateTime":
				it.Created = s.time()
			case "lastModifiedDateTime":
				it.Modified = s.time()
			default:
				s.skip()
			}
		})
	case "lastModifiedBy":
		it.ModifiedBy = s.identity()
	case "parentReference":
		s.optional(func(key []byte) {
			switch string(key) {
			case "driveId":
				it.ParentDrive = DriveID(s.repeated(slotDrive))
			case "id":
				it.Parent = ItemID(s.repeated(slotParent))
			default:
				s.skip()
			}
		})
	case "@microsoft.graph.downloadUrl", "@content.downloadUrl", "content.downloadUrl":
		if address := s.text(); address != "" {
			it.DownloadURL = NewSecretURL(address)
		}
	default:
		s.itemFacet(r, key)
	}
}

// itemFacet reads a facet. A facet that is null is absent; one without members is present (D26).
func (s *scanner) itemFacet(r *itemReader, key []byte) {
	it := &r.it
	switch string(key) {
	case "file":
		s.facet(it, File, func(key []byte) { s.fileMember(r, key) })
	case "folder":
		s.facet(it, Folder, func(key []byte) {
			if string(key) != "childCount" {
				s.skip()
			} else if n, err := s.size(); err == nil {
				it.Children = n
			}
		})
	case "root":
		s.facet(it, Root, nil)
	case "bundle":
		s.facet(it, Bundle, nil)
	case "specialFolder":
		s.facet(it, SpecialFolder, nil)
	case "package":
		s.facet(it, Package, s.only("type", &it.PackageType))
	case "deleted":
		s.facet(it, Deleted, s.only("state", &it.DeletedState))
	case "malware":
		s.facet(it, Malware, s.only("description", &it.MalwareDescription))
	case "remoteItem":
		s.facet(it, RemoteItem, func(key []byte) {
			switch string(key) {
			case "id":
				it.RemoteItem = ItemID(s.text())
			case "parentReference":
				var drive string
				s.optional(s.only("driveId", &drive))
				it.RemoteDrive = DriveID(drive)
			case "file":
				if !s.null() {
					it.RemoteFile = true
					s.skip()
				}
			default:
				s.skip()
			}
		})
	case "shared":
		var scope, since string
		s.facet(it, Shared, func(key []byte) {
			switch string(key) {
			case "scope":
				scope = s.text()
			case "sharedDateTime":
				since = s.text()
			default:
				s.skip()
			}
		})
		it.Sharing = strings.TrimSpace(scope + " " + since)
	case "pendingOperations":
		s.optional(func(key []byte) {
			if string(key) == "pendingContentUpdate" {
				s.facet(it, PendingContent, nil)
				return
			}
			s.skip()
		})
	case "@microsoft.graph.sharedChanged":
		// The value is the text "True" (D51); a real true is taken as well.
		if s.peek() == '"' {
			if strings.EqualFold(s.text(), "true") {
				it.Facets |= SharedChanged
			}
		} else if s.flag() {
			it.Facets |= SharedChanged
		}
	default:
		s.skip()
	}
}

// fileMember reads a member of the file facet.
func (s *scanner) fileMember(r *itemReader, key []byte) {
	switch string(key) {
	case "mimeType":
		r.it.MimeType = s.repeated(slotMime)
	case "hashes":
		s.optional(func(key []byte) {
			if string(key) == "quickXorHash" {
				r.hash = s.text()
				return
			}
			s.skip()
		})
	case "processingMetadata":
		if s.flag() {
			r.it.Facets |= Processing
		}
	default:
		s.skip()
	}
}

// facet sets a facet unless its value is null, and reads its members if they matter.
func (s *scanner) facet(it *Item, f Facets, member func(key []byte)) {
	if s.null() {
		return
	}
	it.Facets |= f
	if member != nil || s.peek() != '{' {
		if member == nil {
			member = func([]byte) { s.skip() }
		}
		s.object(member)
		return
	}
	s.skip()
}

// optional reads an object that may be null.
func (s *scanner) optional(member func(key []byte)) {
	if !s.null() {
		s.object(member)
	}
}

// only reads one text member and skips the others.
func (s *scanner) only(name string, into *string) func(key []byte) {
	return func(key []byte) {
		if string(key) == name {
			*into = s.text()
			return
		}
		s.skip()
	}
}

// itemID reads an id. Of one that comes twice, or is no valid text, nobody knows which item it means.
func (s *scanner) itemID(r *itemReader) {
	before := s.odd
	s.odd = ""
	r.it.ID = ItemID(s.text())
	r.ids++
	r.idOdd = r.ids > 1 || s.odd != ""
	if before != "" {
		s.odd = before
	}
}

// itemName reads a name. That it is missing, null, empty, endless or no text matters only for live items.
func (s *scanner) itemName(r *itemReader) {
	if s.peek() != '"' {
		r.nameOdd = "its name is not a text"
		s.skip()
		return
	}
	r.it.Name, r.it.HasName = s.text(), true
	switch {
	case r.it.Name == "":
		r.nameOdd = "its name is empty"
	case len(r.it.Name) > maxName:
		r.it.Name, r.nameOdd = "", "its name is too long"
	}
}

// itemSize reads a size; null is "not told".
func (s *scanner) itemSize() (int64, error) {
	if s.null() {
		return SizeUnknown, nil
	}
	n, err := s.size()
	if err != nil {
		return SizeUnknown, err
	}
	return n, nil
}

// identity reads who did something: the user if there is one, else whatever did it (V9).
func (s *scanner) identity() string {
	var user, other string
	s.optional(func(key []byte) {
		isUser := string(key) == "user"
		var name, mail string
		s.optional(func(key []byte) {
			switch string(key) {
			case "email":
				mail = s.repeated(slotMail)
			case "displayName":
				name = s.repeated(slotPerson)
			default:
				s.skip()
			}
		})
		if mail == "" {
			mail = name
		}
		if isUser {
			user = mail
		} else if other == "" {
			other = mail
		}
	})
	if user != "" {
		return user
	}
	return other
}

// belongsTo fills in the drive where the service did not tell it.
func (it *Item) belongsTo(drive DriveID) {
	if it.Drive == "" {
		it.Drive = drive
	}
}

// finish settles what depends on several members.
func (r *itemReader) finish() {
	it := &r.it
	it.Drive = it.ParentDrive
	if it.Created.IsZero() {
		it.Created = r.outerCreated
	}
	if it.Modified.IsZero() {
		it.Modified = r.outerModif
	}
	if it.Facets.Has(Root) {
		it.Parent = "" // the reference of a root names only the drive (D20)
	}
	if !it.Facets.Has(Deleted) && r.hash != "" {
		if hash, err := quickxor.Parse(r.hash); err == nil {
			it.QuickXorHash = hash
		}
	}
}

// verdict tells why an item cannot be used, "" if it can. A tombstone needs nothing but its id (D27).
func (r *itemReader) verdict(odd string) string {
	it := &r.it
	if len(it.ID) > maxID {
		it.ID = ""
		return "its id is too long"
	}
	if it.ID == "" {
		return "it has no id"
	}
	if r.idOdd {
		it.ID = ""
	}
	if odd != "" {
		return odd
	}
	if it.Facets.Has(Deleted) {
		if r.sizeErr != nil {
			it.Size = SizeUnknown
		}
		return ""
	}
	if r.nameOdd != "" && !it.Facets.Has(Root) { // the name of a root means nothing (D20)
		return r.nameOdd
	}
	if r.sizeErr != nil && !it.Facets.Has(Folder) {
		return "its size is " + r.sizeErr.Error()
	}
	return ""
}
