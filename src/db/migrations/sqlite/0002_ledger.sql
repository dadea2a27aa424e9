-- A release that nobody may go back to, and why. It happened to the release, so it is a row of its own, made once.
CREATE TABLE release_blocks (
    release_id TEXT PRIMARY KEY REFERENCES releases (id),
    account_id TEXT NOT NULL REFERENCES accounts (id),
    reason     TEXT NOT NULL,
    created_at INTEGER NOT NULL
);
CREATE TRIGGER release_blocks_no_update BEFORE UPDATE ON release_blocks BEGIN SELECT RAISE (ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER release_blocks_no_delete BEFORE DELETE ON release_blocks BEGIN SELECT RAISE (ABORT, 'the ledger is append-only'); END;

-- A slug that was announced and whose archive is still to be uploaded. It leaves this table when it becomes a slug, or
-- when nobody has uploaded it in time.
CREATE TABLE slug_uploads (
    id            TEXT PRIMARY KEY,
    app_id        TEXT NOT NULL REFERENCES apps (id),
    checksum      TEXT,
    stack         TEXT NOT NULL,
    stack_digest  TEXT NOT NULL,
    commit_id     TEXT,
    process_types TEXT NOT NULL,
    language      TEXT,
    created_at    INTEGER NOT NULL
);
CREATE INDEX slug_uploads_created ON slug_uploads (created_at);

-- Which releases run a slug: whoever may see one of them may see the slug.
CREATE INDEX releases_slug ON releases (slug_id);
