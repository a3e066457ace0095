-- Items whose last description broke the protocol: they keep what was known of them, and the source is asked for them again. The id is
-- empty for those that came without one.
CREATE TABLE unread (
  drive  INTEGER NOT NULL,
  id     TEXT NOT NULL,
  reason TEXT NOT NULL,
  at     INTEGER NOT NULL,
  asked  INTEGER NOT NULL,
  PRIMARY KEY (drive, id)
) WITHOUT ROWID, STRICT;

-- Counts the staged rows of such items. Their column deleted is 2, note holds the reason, modified when the source was asked for it.
ALTER TABLE rounds ADD COLUMN unread INTEGER NOT NULL DEFAULT 0;
