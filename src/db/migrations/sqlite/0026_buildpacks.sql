-- The copies of buildpacks that have been fetched: one for each place, and one of their own for apps that have shown credentials
-- there. Each is a tar in the blob store.
CREATE TABLE buildpack_copies (
    -- Empty where everybody may have it.
    app_id     TEXT NOT NULL,
    place      TEXT NOT NULL,
    -- A repository's commit, or the digest of an archive.
    version    TEXT NOT NULL,
    digest     TEXT NOT NULL,
    fetched_at INTEGER NOT NULL,
    -- When its server last said that it is the newest one, and when it was last asked at all.
    checked_at INTEGER NOT NULL,
    asked_at   INTEGER NOT NULL,
    used_at    INTEGER NOT NULL,
    PRIMARY KEY (app_id, place)
);
CREATE INDEX buildpack_copies_digest ON buildpack_copies (digest);

-- Which buildpacks a build was made with, in order. Written once they are there.
CREATE TABLE build_buildpacks (
    build_id  TEXT NOT NULL REFERENCES builds (id),
    ordinal   INTEGER NOT NULL,
    buildpack TEXT NOT NULL,
    -- As above; none for a folder of the app.
    version   TEXT,
    PRIMARY KEY (build_id, ordinal)
);
CREATE TRIGGER build_buildpacks_no_update BEFORE UPDATE ON build_buildpacks BEGIN SELECT RAISE (ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER build_buildpacks_no_delete BEFORE DELETE ON build_buildpacks BEGIN SELECT RAISE (ABORT, 'the ledger is append-only'); END;
