package view

import (
	"fmt"
	"testing"
)

func BenchmarkReadLine(b *testing.B) {
	line := []byte(fmt.Sprintf(`{"mirror":"mirror.library[\"reports\"]","path":"%s","item_id":"01ABCDEFGHIJKLMNOPQRSTUVWXYZ012345","actions":["add"],"cause":"config","reason":"selected_by_include","remote":{"etag":"\"{11111111-2222-3333-4444-555555555555},7\"","ctag":"\"c:{11111111-2222-3333-4444-555555555555},4\"","size":104857,"quickxorhash":"AAAAAAAAAAAAAAAAAAAAAAAAAAA=","modified":"2026-11-21T16:02:11Z","by":"a.meyer"},"parent_id":"01ABCDEFGHIJKLMNOPQRSTUVWXYZ012345","name":"close.xlsx","fold":"close.xlsx"}`+"\n", "2025/Q3/close.xlsx"))
	b.SetBytes(int64(len(line)))
	for b.Loop() {
		if _, err := readLine(line); err != nil {
			b.Fatal(err)
		}
	}
}
