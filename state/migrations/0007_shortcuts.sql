-- The few shortcuts of a drive: each plan of a mirror that follows them looks at them all.
CREATE INDEX items_shortcuts ON items (drive, id) WHERE class = 6;
