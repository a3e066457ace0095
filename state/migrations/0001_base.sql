-- The one row that identifies this state: its lineage, and a serial that grows with every transaction that changes the applied side.
CREATE TABLE store (
  one     INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
  lineage TEXT NOT NULL,
  serial  INTEGER NOT NULL CHECK (serial >= 0),
  created INTEGER NOT NULL
) STRICT;

CREATE TABLE meta (
  key   TEXT NOT NULL PRIMARY KEY,
  value TEXT NOT NULL
) WITHOUT ROWID, STRICT;

-- Observed side -------------------------------------------------------------------------------------------------------------------

CREATE TABLE drives (
  key        INTEGER NOT NULL PRIMARY KEY,
  tenant     TEXT NOT NULL,
  id         TEXT NOT NULL,
  name       TEXT NOT NULL,
  type       TEXT NOT NULL,
  web_url    TEXT NOT NULL,
  site       TEXT NOT NULL,
  root       TEXT NOT NULL,
  delta_link TEXT NOT NULL DEFAULT '',
  headers    TEXT NOT NULL DEFAULT '',
  generation INTEGER NOT NULL DEFAULT 0 CHECK (generation >= 0),
  log_floor  INTEGER NOT NULL DEFAULT 0 CHECK (log_floor >= 0 AND log_floor <= generation),
  full_at    INTEGER NOT NULL DEFAULT 0,
  crawled_at INTEGER NOT NULL DEFAULT 0,
  items      INTEGER NOT NULL DEFAULT 0 CHECK (items >= 0),
  UNIQUE (tenant, id)
) STRICT;

-- An unfinished round. Its rows are in staged.
CREATE TABLE rounds (
  drive      INTEGER NOT NULL PRIMARY KEY REFERENCES drives (key),
  whole      INTEGER NOT NULL,
  keep       INTEGER NOT NULL,
  next       TEXT NOT NULL,
  headers    TEXT NOT NULL,
  reason     TEXT NOT NULL,
  started    INTEGER NOT NULL,
  pages      INTEGER NOT NULL DEFAULT 0,
  items      INTEGER NOT NULL DEFAULT 0,
  tombstones INTEGER NOT NULL DEFAULT 0,
  root       TEXT NOT NULL DEFAULT ''
) STRICT;

-- Rows of unfinished rounds in the order of arrival. seq is drive * 2^40 + a counter, so that the rows of one drive are one range of the
-- rowid and pages are appended without any index.
CREATE TABLE staged (
  seq         INTEGER NOT NULL PRIMARY KEY,
  deleted     INTEGER NOT NULL,
  id          TEXT NOT NULL,
  parent      TEXT NOT NULL,
  name        TEXT NOT NULL,
  class       INTEGER NOT NULL,
  size        INTEGER NOT NULL,
  modified    INTEGER NOT NULL,
  created     INTEGER NOT NULL,
  etag        TEXT NOT NULL,
  ctag        TEXT NOT NULL,
  hash        TEXT NOT NULL,
  mime        TEXT NOT NULL,
  modified_by TEXT NOT NULL,
  note        TEXT NOT NULL
) STRICT;

CREATE TABLE items (
  drive       INTEGER NOT NULL,
  id          TEXT NOT NULL,
  parent      TEXT NOT NULL,
  name        TEXT NOT NULL,
  class       INTEGER NOT NULL CHECK (class BETWEEN 0 AND 8),
  size        INTEGER NOT NULL CHECK (size >= -1),
  modified    INTEGER NOT NULL,
  created     INTEGER NOT NULL,
  etag        TEXT NOT NULL,
  ctag        TEXT NOT NULL,
  hash        TEXT NOT NULL,
  mime        TEXT NOT NULL,
  modified_by TEXT NOT NULL,
  note        TEXT NOT NULL,
  PRIMARY KEY (drive, id)
) WITHOUT ROWID, STRICT;

-- Folders, roots and packages alone, covering: the planner loads the tree of folders without touching the files.
CREATE INDEX items_folders ON items (drive, id, parent, name, class) WHERE class IN (2, 3, 4);

-- The items by parent, kept by the merge. It is a table and not an index because a first load of a million items fills it in key order
-- in 1.3 s, where the same rows in the order of the ids cost an index 5 s.
CREATE TABLE children (
  drive  INTEGER NOT NULL,
  parent TEXT NOT NULL,
  id     TEXT NOT NULL,
  PRIMARY KEY (drive, parent, id)
) WITHOUT ROWID, STRICT;

-- Ids whose material facts changed, by the generation that changed them.
CREATE TABLE change_log (
  drive INTEGER NOT NULL,
  gen   INTEGER NOT NULL,
  id    TEXT NOT NULL,
  PRIMARY KEY (drive, gen, id)
) WITHOUT ROWID, STRICT;

-- Applied side --------------------------------------------------------------------------------------------------------------------

CREATE TABLE mirrors (
  key         INTEGER NOT NULL PRIMARY KEY,
  address     TEXT NOT NULL UNIQUE,
  drive       INTEGER NOT NULL REFERENCES drives (key),
  folder      TEXT NOT NULL,
  folder_path TEXT NOT NULL,
  target      TEXT NOT NULL,
  marker      TEXT NOT NULL,
  generation  INTEGER NOT NULL DEFAULT 0 CHECK (generation >= 0),
  settled     INTEGER NOT NULL DEFAULT 0 CHECK (settled >= 0),
  selection   TEXT NOT NULL DEFAULT '',
  created     INTEGER NOT NULL,
  files       INTEGER NOT NULL DEFAULT 0 CHECK (files >= 0),
  folders     INTEGER NOT NULL DEFAULT 0 CHECK (folders >= 0),
  bytes       INTEGER NOT NULL DEFAULT 0 CHECK (bytes >= 0)
) STRICT;
CREATE INDEX mirrors_drive ON mirrors (drive);

-- What is on the target, in the order in which the disk is walked.
CREATE TABLE entries (
  mirror      INTEGER NOT NULL,
  parent      TEXT NOT NULL,
  fold        TEXT NOT NULL,
  item        TEXT NOT NULL,
  name        TEXT NOT NULL,
  folder      INTEGER NOT NULL CHECK (folder IN (0, 1)),
  size        INTEGER NOT NULL CHECK (size >= 0),
  mtime       INTEGER NOT NULL,
  inode       INTEGER NOT NULL,
  hash        TEXT NOT NULL,
  sha256      TEXT NOT NULL,
  remote_hash TEXT NOT NULL,
  remote_size INTEGER NOT NULL CHECK (remote_size >= -1),
  modified    INTEGER NOT NULL,
  etag        TEXT NOT NULL,
  ctag        TEXT NOT NULL,
  verdict     TEXT NOT NULL,
  run         INTEGER NOT NULL,
  at          INTEGER NOT NULL,
  PRIMARY KEY (mirror, parent, fold)
) WITHOUT ROWID, STRICT;
-- The way from an item to its place (the key's columns are part of it), and all that the comparison of observed and applied looks at, in id
-- order: an entry that is in step is never visited in the table. One entry per item is kept by PutEntries, the only writer, and
-- tested by the deep check; a unique index of its own would cost every write a third B-tree.
CREATE INDEX entries_facts ON entries (mirror, item, parent, name, folder, remote_hash, remote_size, modified, ctag);
CREATE INDEX entries_folders ON entries (mirror) WHERE folder = 1;

CREATE TABLE pending (
  mirror     INTEGER NOT NULL,
  item       TEXT NOT NULL,
  action     TEXT NOT NULL,
  code       TEXT NOT NULL,
  reason     TEXT NOT NULL,
  path       TEXT NOT NULL,
  attempts   INTEGER NOT NULL,
  first      INTEGER NOT NULL,
  last       INTEGER NOT NULL,
  request_id TEXT NOT NULL,
  PRIMARY KEY (mirror, item)
) WITHOUT ROWID, STRICT;

CREATE TABLE partials (
  mirror   INTEGER NOT NULL,
  item     TEXT NOT NULL,
  staging  TEXT NOT NULL,
  at_byte  INTEGER NOT NULL CHECK (at_byte >= 0),
  quickxor BLOB NOT NULL,
  sha256   BLOB NOT NULL,
  etag     TEXT NOT NULL,
  ctag     TEXT NOT NULL,
  hash     TEXT NOT NULL,
  size     INTEGER NOT NULL,
  at       INTEGER NOT NULL,
  PRIMARY KEY (mirror, item)
) WITHOUT ROWID, STRICT;

CREATE TABLE intents (
  mirror    INTEGER NOT NULL,
  item      TEXT NOT NULL,
  kind      TEXT NOT NULL,
  source    TEXT NOT NULL,
  dest      TEXT NOT NULL,
  inode     INTEGER NOT NULL,
  entry     BLOB NOT NULL,
  displaced TEXT NOT NULL,
  PRIMARY KEY (mirror, item)
) WITHOUT ROWID, STRICT;

CREATE TABLE trash (
  mirror   INTEGER NOT NULL,
  path     TEXT NOT NULL,
  original TEXT NOT NULL,
  item     TEXT NOT NULL,
  size     INTEGER NOT NULL,
  at       INTEGER NOT NULL,
  run      INTEGER NOT NULL,
  reason   TEXT NOT NULL,
  PRIMARY KEY (mirror, path)
) WITHOUT ROWID, STRICT;

-- Audit log: appended, ended once, never rewritten (I-52) --------------------------------------------------------------------------

CREATE TABLE runs (
  id          INTEGER NOT NULL PRIMARY KEY,
  kind        TEXT NOT NULL,
  plan_digest TEXT NOT NULL,
  commit_id   TEXT NOT NULL,
  actor       TEXT NOT NULL,
  host        TEXT NOT NULL,
  version     TEXT NOT NULL,
  started     INTEGER NOT NULL,
  ended       INTEGER NOT NULL DEFAULT 0,
  result      TEXT NOT NULL DEFAULT '',
  exit_code   INTEGER NOT NULL DEFAULT 0,
  overrides   TEXT NOT NULL,
  summary     TEXT NOT NULL
) STRICT;

CREATE TABLE run_items (
  run        INTEGER NOT NULL,
  n          INTEGER NOT NULL,
  mirror     TEXT NOT NULL,
  item       TEXT NOT NULL,
  path       TEXT NOT NULL,
  action     TEXT NOT NULL,
  outcome    TEXT NOT NULL,
  code       TEXT NOT NULL,
  message    TEXT NOT NULL,
  request_id TEXT NOT NULL,
  verdict    TEXT NOT NULL,
  hash       TEXT NOT NULL,
  sha256     TEXT NOT NULL,
  etag       TEXT NOT NULL,
  bytes      INTEGER NOT NULL,
  duration   INTEGER NOT NULL,
  at         INTEGER NOT NULL,
  PRIMARY KEY (run, n)
) WITHOUT ROWID, STRICT;

CREATE TRIGGER runs_end_once BEFORE UPDATE ON runs WHEN old.ended <> 0
BEGIN SELECT RAISE (ABORT, 'a run that has ended is not rewritten'); END;
CREATE TRIGGER runs_stay BEFORE DELETE ON runs
BEGIN SELECT RAISE (ABORT, 'the run log is append-only'); END;
CREATE TRIGGER run_items_written_once BEFORE UPDATE ON run_items
BEGIN SELECT RAISE (ABORT, 'the run log is append-only'); END;
CREATE TRIGGER run_items_stay BEFORE DELETE ON run_items
BEGIN SELECT RAISE (ABORT, 'the run log is append-only'); END;
