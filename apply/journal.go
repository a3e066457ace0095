package apply

import (
	"encoding/json"
	"errors"
	"io/fs"

	"github.com/spmirror/spmirror/state"
	"github.com/spmirror/spmirror/target"
)

// Kinds of intents. An intent is committed before its effect on disk and cleared
// in the transaction that records the effect.
const (
	intentPublish = "publish" // From: staging name, To: final path, Entry: as it will be
	intentMove    = "move"    // From, To: paths, Entry: as it will be
	intentMkdir   = "mkdir"   // To: path, Entry: as it will be
	intentTrash   = "trash"   // From: path, To: where people know it, Entry: as it was
	intentDelete  = "delete"  // From: path, Entry: as it was, with the fingerprint to be found
	intentRmdir   = "rmdir"   // From: path
)

func intent(kind, from, to string, e state.Entry) state.Intent {
	// Entry has only fields that JSON can hold.
	data, _ := json.Marshal(e)
	return state.Intent{Item: e.Item, Kind: kind, From: from, To: to, Inode: e.Inode, Entry: data}
}

// intend commits intents, with the results that wait.
func (m *mirrorRun) intend(list []state.Intent) error {
	return m.commit(nil, func(tx *state.Tx) error { return tx.PutIntents(m.Key, list) })
}

// ignoreMissing is for effects whose aim is that something is not there.
func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// ignoreAbsent is for looking: below something that is no directory is nothing.
func ignoreAbsent(err error) error {
	if errors.Is(err, target.ErrNotPlain) {
		return nil
	}
	return ignoreMissing(err)
}
