-- The last run when the mirror was settled: what later runs wrote, they wrote as a part of something unfinished.
ALTER TABLE mirrors ADD COLUMN settled_run INTEGER NOT NULL DEFAULT 0;
