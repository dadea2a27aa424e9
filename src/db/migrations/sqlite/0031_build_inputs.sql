-- Whether the app's slug is released again when a push has changed nothing of what it is made of.
ALTER TABLE apps ADD COLUMN skip_unchanged INTEGER NOT NULL DEFAULT 0;

-- What builds of such apps are made of: a keyed digest, because config vars are in it. Append-only, like the builds.
CREATE TABLE build_inputs (
    build_id TEXT PRIMARY KEY REFERENCES builds (id),
    digest   TEXT NOT NULL
);
CREATE TRIGGER build_inputs_no_update BEFORE UPDATE ON build_inputs BEGIN SELECT RAISE (ABORT, 'builds are append-only'); END;
CREATE TRIGGER build_inputs_no_delete BEFORE DELETE ON build_inputs BEGIN SELECT RAISE (ABORT, 'builds are append-only'); END;
