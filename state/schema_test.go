package state

import (
	"path/filepath"
	"testing"
)

// emptyFile makes an empty file that a connection can open.
func emptyFile(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	temp, err := precreate(dir, "x.db")
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, filepath.Base(temp))
}

func TestEveryMigrationEndsInTheSchemaOfItsDigest(t *testing.T) {
	c, err := connect(emptyFile(t), writing)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	for n := range migrations {
		if err := migrate(c, n, migrations[:n+1]); err != nil {
			t.Fatal(err)
		}
		got, err := schemaDigest(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		if got != migrations[n].digest {
			t.Errorf("format %d has digest %s", n+1, got)
		}
	}
}
