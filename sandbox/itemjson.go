package sandbox

import (
	"encoding/json"
	"strconv"
)

// driveTexts are the parts of answers that are the same for all items of a drive.
type driveTexts struct {
	driveType string
	webURL    string
	refHead   []byte // the beginning of every parentReference
	ids       []byte // the beginning of sharepointIds
	office    string // address of the viewer of Office files
	download  string // path of the download page
	baseChain uint64
}

func identityJSON(u User) []byte {
	type identity struct {
		Email       string `json:"email,omitempty"`
		ID          string `json:"id"`
		DisplayName string `json:"displayName"`
	}
	b, _ := json.Marshal(map[string]identity{"user": {u.UPN, u.ID, u.DisplayName}})
	return b
}

func (d *Drive) makeTexts() {
	x := &d.texts
	x.driveType = "documentLibrary"
	if d.site.owner >= 0 {
		x.driveType = "business"
	}
	x.webURL = d.site.webURL() + "/" + string(appendSegment(nil, d.segment))
	x.refHead = append(x.refHead, `{"driveType":"`+x.driveType+`","driveId":"`+string(d.id)+`"`...)
	x.office = d.site.webURL() + "/_layouts/15/Doc.aspx?sourcedoc=%7B"
	x.download = "/_layouts/15/download.aspx"
	if d.site.path != "" {
		x.download = "/" + escapePath(d.site.path) + x.download
	}
	x.ids = append(x.ids, `{"listId":"`+d.list.String()+`","siteId":"`+d.site.collection.String()+`","webId":"`+d.site.web.String()+
		`","siteUrl":"`+d.site.webURL()+`","tenantId":"`+d.t.id.String()+`"`...)
}

// place returns the cached texts of a folder; it is rebuilt when a folder of the drive moved.
func (d *Drive) place(it *item) *folderPath {
	if p := it.folder.path.Load(); p != nil && p.epoch == d.epoch {
		return p
	}
	p := &folderPath{epoch: d.epoch}
	name := "root"
	if it.parent == nil {
		p.url = []byte(d.texts.webURL)
	} else {
		up := d.place(it.parent)
		p.path, name = up.path+"/"+it.name, it.name
		p.url = appendSegment(append(append([]byte{}, up.url...), '/'), it.name)
	}
	p.ref = append(append(p.ref, d.texts.refHead...), `,"id":"`...)
	g := it.guid
	p.ref = append(d.prefix.append(p.ref, &g), `","name":`...)
	p.ref = append(appendString(p.ref, name), `,"siteId":"`...)
	p.ref = append(append(p.ref, d.site.web.String()...), '"')
	it.folder.path.Store(p)
	return p
}

// view is how one answer shows items.
type view struct {
	fields  fields
	b       Behaviour
	now     int64
	host    string // scheme and host of download URLs, "" for the one of the site
	base    string // of links
	expand  *expansion
	delta   bool
	exclude bool // deltaExcludeParent
	sharing bool // deltashowsharingchanges
	roots   bool // hierarchicalsharing
	feature bool // Include-Feature=AddToOneDrive
}

// appendItem appends an item as JSON. This is the hot path of big enumerations: no reflection, no
// intermediate values.
func (d *Drive) appendItem(b []byte, it *item, v *view) []byte {
	if it.kind == kindRaw {
		return append(b, it.more.raw...)
	}
	if it.deleted {
		return d.appendTombstone(b, it, v)
	}
	f := v.fields
	b = append(b, '{')
	if v.delta && !v.b.NoODataType {
		b = append(b, `"@odata.type":"#microsoft.graph.driveItem",`...)
	}
	if f&fDownloadURL != 0 && it.kind == kindFile && !v.b.NoDownloadURL && (it.more == nil || it.more.malware == "") {
		b = append(b, `"@microsoft.graph.downloadUrl":"`...)
		b = append(d.appendURL(b, it, urlGrant{version: it.content, expires: v.now + int64(d.t.urlLifetime().Seconds())}, v.host), `",`...)
	}
	if f&fCreated != 0 {
		b = append(appendTime(append(b, `"createdDateTime":`...), it.created), ',')
	}
	if f&fETag != 0 {
		b = append(d.appendETag(append(b, `"eTag":"\"`...), it), `\"",`...)
	}
	if f&fID != 0 {
		b = append(d.prefix.append(append(b, `"id":"`...), &it.guid), `",`...)
	}
	if f&fModified != 0 {
		b = append(appendTime(append(b, `"lastModifiedDateTime":`...), it.modified), ',')
	}
	if f&fName != 0 {
		b = append(appendString(append(b, `"name":`...), it.name), ',')
	}
	if f&fWebURL != 0 {
		b = append(d.appendWebURL(append(b, `"webUrl":"`...), it), `",`...)
	}
	if f&fCTag != 0 && !(v.delta && v.b.NoCTag) && it.kind != kindRemote {
		b = append(d.appendCTag(append(b, `"cTag":"\"`...), it), `\"",`...)
	}
	if f&fSize != 0 && it.kind != kindRemote {
		b = append(appendInt(append(b, `"size":`...), it.size), ',')
	}
	if f&fCreatedBy != 0 {
		b = append(append(append(b, `"createdBy":`...), d.t.users[it.createdBy].json...), ',')
	}
	if f&fModifiedBy != 0 {
		b = append(append(append(b, `"lastModifiedBy":`...), d.t.users[it.modifiedBy].json...), ',')
	}
	if f&fParent != 0 {
		b = append(d.appendParent(append(b, `"parentReference":`...), it, v.delta && v.b.NoParentPath), ',')
	}
	b = d.appendFacets(b, it, v)
	if f&fFileSystem != 0 {
		b = appendTime(append(b, `"fileSystemInfo":{"createdDateTime":`...), it.created)
		b = append(appendTime(append(b, `,"lastModifiedDateTime":`...), it.fsModified), '}', ',')
	}
	if v.expand != nil {
		b = d.appendExpanded(b, it, v)
	}
	return closeObject(b)
}

// closeObject ends an object whose members were each followed by a comma.
func closeObject(b []byte) []byte {
	if b[len(b)-1] == ',' {
		b[len(b)-1] = '}'
		return b
	}
	return append(b, '}')
}

func (d *Drive) appendETag(b []byte, it *item) []byte {
	b = append(it.guid.appendUpper(append(b, '{')), '}', ',')
	return strconv.AppendUint(b, uint64(it.etag), 10)
}

func (d *Drive) appendCTag(b []byte, it *item) []byte {
	b = append(it.guid.appendUpper(append(b, 'c', ':', '{')), '}', ',')
	return strconv.AppendUint(b, uint64(it.ctag), 10)
}

func (d *Drive) appendWebURL(b []byte, it *item) []byte {
	if it.kind.hasChildren() {
		return append(b, d.place(it).url...)
	}
	if isOffice(extension(it.name)) {
		b = it.guid.appendUpper(append(b, d.texts.office...))
		b = appendSegment(append(b, `%7D&file=`...), it.name)
		return append(b, `&action=default&mobileredirect=true`...)
	}
	b = append(append(b, d.place(it.parent).url...), '/')
	return appendSegment(b, it.name)
}

// appendParent appends the parentReference. The one of the root has no id (D20).
func (d *Drive) appendParent(b []byte, it *item, noPath bool) []byte {
	if it.parent == nil {
		return append(append(b, d.texts.refHead...), '}')
	}
	p := d.place(it.parent)
	b = append(b, p.ref...)
	if !noPath {
		b = append(append(append(b, `,"path":"/drives/`...), d.id...), `/root:`...)
		at := len(b)
		b = appendString(b, p.path)
		copy(b[at:], b[at+1:]) // the path goes on inside the string that was begun
		b = b[:len(b)-1]
	}
	return append(b, '}')
}

func (d *Drive) appendFacets(b []byte, it *item, v *view) []byte {
	f, m := v.fields, it.more
	switch it.kind {
	case kindFile:
		if f&fFile != 0 {
			b = d.appendFile(append(b, `"file":`...), it)
		}
	case kindFolder, kindPackage:
		if f&fFolder != 0 { // a package has the facet of a folder beside its own, other programs found (C25)
			b = append(appendInt(append(b, `"folder":{"childCount":`...), int64(len(it.folder.children))), '}', ',')
		}
		if it.parent == nil && f&fRoot != 0 {
			b = append(b, `"root":{},`...)
		}
		if it.kind == kindPackage && f&fPackage != 0 {
			b = append(appendString(append(b, `"package":{"type":`...), m.pkg), '}', ',')
		}
	case kindRemote:
		if f&fRemote != 0 {
			b = append(d.appendRemote(append(b, `"remoteItem":`...), it), ',')
		}
	}
	if scope := d.sharedScope(it, v.roots); scope != "" && f&fShared != 0 {
		b = append(appendString(append(b, `"shared":{"scope":`...), scope), '}', ',')
	}
	if f&fSharepointIDs != 0 {
		b = append(append(b, `"sharepointIds":`...), d.texts.ids...)
		b = appendInt(append(b, `,"listItemId":"`...), int64(it.ord))
		b = append(append(append(b, `","listItemUniqueId":"`...), it.guid.String()...), '"', '}', ',')
	}
	if m == nil {
		return b
	}
	if m.malware != "" && f&fMalware != 0 {
		b = append(appendString(append(b, `"malware":{"description":`...), m.malware), '}', ',')
	}
	if m.pending && f&fPending != 0 {
		b = append(appendTime(append(b, `"pendingOperations":{"pendingContentUpdate":{"queuedDateTime":`...), it.modified), '}', '}', ',')
	}
	if m.locked && f&fPublication != 0 {
		b = append(b, `"publication":{"level":"checkout","versionId":"`...)
		b = append(appendInt(b, int64(it.content)), `.0"},`...)
	}
	if v.sharing && f&fSharedChanged != 0 && m.shareSeq > it.seq {
		b = append(b, `"@microsoft.graph.sharedChanged":"True",`...) // the value is text (D51)
	}
	return b
}

func (d *Drive) appendFile(b []byte, it *item) []byte {
	b = appendString(append(b, `{"mimeType":`...), mimeType(it.name))
	if it.more != nil && it.more.processing {
		b = append(b, `,"processingMetadata":true`...)
	}
	if it.noHash { // normal until the file has been downloaded once (C23, Q37)
		return append(b, '}', ',')
	}
	if it.more != nil && it.more.hashText != "" {
		return append(appendString(append(b, `,"hashes":{"quickXorHash":`...), it.more.hashText), '}', '}', ',')
	}
	h, ok := d.quickXor(it)
	if !ok {
		return append(b, '}', ',')
	}
	b = append(append(append(b, `,"hashes":{"quickXorHash":"`...), quickXorText(h)...), '"', '}', '}', ',')
	return b
}

// appendRemote names the target of a shortcut: the inner ids are those of the other drive (Q33).
func (d *Drive) appendRemote(b []byte, it *item) []byte {
	m := it.more
	b = append(append(b, `{"id":"`...), m.remoteItem...)
	b = append(append(b, `","parentReference":{"driveId":"`...), m.remoteDrive...)
	b = append(b, `","driveType":"documentLibrary"}`...)
	if other := d.t.byID[m.remoteDrive]; other != nil {
		if target := other.find(m.remoteItem); target != nil && !target.deleted {
			b = appendString(append(b, `,"name":`...), target.name)
			b = appendInt(append(b, `,"size":`...), target.size)
			if target.kind.hasChildren() {
				b = append(appendInt(append(b, `,"folder":{"childCount":`...), int64(len(target.folder.children))), '}')
			} else {
				b = append(b, `,"file":{}`...)
			}
			b = append(other.appendWebURL(append(b, `,"webUrl":"`...), target), '"')
		}
	}
	return append(b, '}')
}

// appendTombstone appends a deleted item: no name, no cTag, no dates (D27), parent by id.
func (d *Drive) appendTombstone(b []byte, it *item, v *view) []byte {
	f := v.fields
	b = append(b, '{')
	if !v.b.NoODataType {
		b = append(b, `"@odata.type":"#microsoft.graph.driveItem",`...)
	}
	if f&fID != 0 {
		b = append(d.prefix.append(append(b, `"id":"`...), &it.guid), `",`...)
	}
	if v.b.BareTombstones {
		if f&fDeleted != 0 {
			b = append(b, `"deleted":{},`...)
		}
		return closeObject(b)
	}
	if f&fParent != 0 && it.parent != nil {
		b = append(append(append(b, `"parentReference":`...), d.texts.refHead...), `,"id":"`...)
		b = append(d.prefix.append(b, &it.parent.guid), `"},`...)
	}
	if v.b.ZeroHashTombstones && it.kind == kindFile && f&fFile != 0 {
		b = append(b, `"file":{"hashes":{"quickXorHash":"AAAAAAAAAAAAAAAAAAAAAAAAAAA="}},"size":0,`...)
	}
	if f&fDeleted != 0 {
		b = append(b, `"deleted":{"state":"deleted"},`...)
	}
	return closeObject(b)
}

// sharedScope is the scope under which an item is shared, inherited unless only the roots of a
// permission hierarchy are wanted (D50).
func (d *Drive) sharedScope(it *item, rootsOnly bool) string {
	if d.t.anyShared.Load() == 0 {
		return ""
	}
	for p := it; p != nil; p = p.parent {
		if p.more != nil && p.more.scope != "" {
			return p.more.scope
		}
		if rootsOnly {
			break
		}
	}
	return ""
}
