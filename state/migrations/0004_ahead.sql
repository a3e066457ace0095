-- Parts of a download that came ahead of its hashed beginning: a JSON list, or nothing.
ALTER TABLE partials ADD COLUMN ahead TEXT NOT NULL DEFAULT '';
