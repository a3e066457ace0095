-- Earlier versions of files that are kept beside a mirror. path is that of the file when the version was fetched, file is below the
-- directory of versions. A row stays when its file leaves the mirror: what was fetched is kept.
CREATE TABLE versions (
  mirror   INTEGER NOT NULL,
  item     TEXT NOT NULL,
  version  TEXT NOT NULL,
  path     TEXT NOT NULL,
  file     TEXT NOT NULL,
  size     INTEGER NOT NULL,
  sha256   TEXT NOT NULL,
  modified INTEGER NOT NULL,
  author   TEXT NOT NULL,
  verdict  TEXT NOT NULL,
  run      INTEGER NOT NULL,
  PRIMARY KEY (mirror, item, version)
) WITHOUT ROWID, STRICT;

-- The content of a file and the number of versions for which its earlier versions are all there.
CREATE TABLE version_sets (
  mirror INTEGER NOT NULL,
  item   TEXT NOT NULL,
  tag    TEXT NOT NULL,
  PRIMARY KEY (mirror, item)
) WITHOUT ROWID, STRICT;
