package sandbox

import (
	"fmt"
	"strings"
)

// fields is the set of members of a driveItem that an answer holds.
type fields uint32

const (
	fID fields = 1 << iota
	fName
	fSize
	fETag
	fCTag
	fCreated
	fModified
	fCreatedBy
	fModifiedBy
	fWebURL
	fParent
	fFile
	fFolder
	fRoot
	fPackage
	fRemote
	fDeleted
	fMalware
	fFileSystem
	fShared
	fSharepointIDs
	fDownloadURL
	fSpecial
	fPending
	fPublication
	fSharedChanged
	// fDefault is what comes without $select: sharepointIds and publication must be asked for (D8, V10).
	fDefault = fID | fName | fSize | fETag | fCTag | fCreated | fModified | fCreatedBy | fModifiedBy | fWebURL | fParent |
		fFile | fFolder | fRoot | fPackage | fRemote | fDeleted | fMalware | fFileSystem | fShared | fDownloadURL | fSpecial | fPending | fSharedChanged
)

// itemFields are the members of driveItem that $select may name. Zero stands for members that the
// sandbox knows but no item of it has.
var itemFields = map[string]fields{
	"id": fID, "name": fName, "size": fSize, "eTag": fETag, "cTag": fCTag, "createdDateTime": fCreated,
	"lastModifiedDateTime": fModified, "createdBy": fCreatedBy, "lastModifiedBy": fModifiedBy, "webUrl": fWebURL,
	"parentReference": fParent, "file": fFile, "folder": fFolder, "root": fRoot, "package": fPackage,
	"remoteItem": fRemote, "deleted": fDeleted, "malware": fMalware, "fileSystemInfo": fFileSystem,
	"shared": fShared, "sharepointIds": fSharepointIDs, "specialFolder": fSpecial, "pendingOperations": fPending,
	"publication": fPublication, "@microsoft.graph.downloadUrl": fDownloadURL, "content.downloadUrl": fDownloadURL,
	"@content.downloadUrl": fDownloadURL, "@microsoft.graph.sharedChanged": fSharedChanged,
	"audio": 0, "bundle": 0, "content": 0, "description": 0, "image": 0, "location": 0, "photo": 0, "video": 0,
	"searchResult": 0, "webDavUrl": 0, "listItem": 0, "children": 0, "permissions": 0, "versions": 0,
	"thumbnails": 0, "retentionLabel": 0, "analytics": 0, "subscriptions": 0,
}

// parseSelect reads $select. Under it the download URL comes only by its own name (D9). Names are
// taken without regard to case, as OData does in practice.
func parseSelect(text string, known map[string]fields, all fields) (fields, error) {
	if text == "" {
		return all, nil
	}
	var f fields
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSpace(part)
		if part == "*" {
			f |= all
			continue
		}
		bits, ok := known[part]
		if !ok {
			bits, ok = foldField(known, part)
		}
		if !ok {
			return 0, fmt.Errorf("could not find a property named '%s' on type 'microsoft.graph.driveItem'", part)
		}
		f |= bits
	}
	return f, nil
}

func foldField(known map[string]fields, name string) (fields, bool) {
	for k, bits := range known {
		if strings.EqualFold(k, name) {
			return bits, true
		}
	}
	return 0, false
}
