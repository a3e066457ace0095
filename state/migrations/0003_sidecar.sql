-- Items that have permissions of their own, as the source names them to who asks for it (D50). version is the beginning of the round since
-- which they have to be read, seen that of the round that named the item last.
CREATE TABLE sharing (
  drive   INTEGER NOT NULL,
  id      TEXT NOT NULL,
  facet   TEXT NOT NULL,
  version INTEGER NOT NULL,
  seen    INTEGER NOT NULL,
  PRIMARY KEY (drive, id)
) WITHOUT ROWID, STRICT;

-- What is kept beside an item of a mirror: permissions as of a version of sharing (0: none), columns as of a tag of the item and a choice
-- of columns. Both are JSON.
CREATE TABLE sidecars (
  mirror      INTEGER NOT NULL,
  item        TEXT NOT NULL,
  sharing     INTEGER NOT NULL,
  permissions TEXT NOT NULL,
  tag         TEXT NOT NULL,
  fields      TEXT NOT NULL,
  PRIMARY KEY (mirror, item)
) WITHOUT ROWID, STRICT;
