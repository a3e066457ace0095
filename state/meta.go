package state

import (
	"context"
	"database/sql/driver"
	"fmt"
)

// SetMeta stores a small text under a key; an empty value removes the key.
func (tx *Tx) SetMeta(key, text string) error {
	var err error
	if text == "" {
		_, err = tx.exec(`DELETE FROM meta WHERE key = ?`, key)
	} else {
		_, err = tx.exec(`INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)`, key, text)
	}
	if err != nil {
		return fmt.Errorf("set meta %s: %w", key, err)
	}
	return nil
}

// Meta returns the text stored under a key, empty if there is none.
func (s *Store) Meta(ctx context.Context, key string) (string, error) {
	text, _, err := one(ctx, s, func(row []driver.Value) (string, error) {
		text, ok := row[0].(string)
		if !ok {
			return "", damaged("a text was expected")
		}
		return text, nil
	}, `SELECT value FROM meta WHERE key = ?`, key)
	return text, err
}
