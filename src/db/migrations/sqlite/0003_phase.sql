-- Release phases and one-off commands.

-- Why a release failed or expired, in one line.
ALTER TABLE release_events ADD COLUMN reason TEXT;

-- Refs that move when the release succeeds and not before: a push with `-o strict` whose app has a release command.
CREATE TABLE release_refs (
    release_id    TEXT NOT NULL REFERENCES releases (id),
    name          TEXT NOT NULL,
    old_commit_id TEXT,
    new_commit_id TEXT,
    PRIMARY KEY (release_id, name)
);

-- The finished output of a release command, in the blob store.
CREATE TABLE release_logs (
    release_id TEXT PRIMARY KEY REFERENCES releases (id),
    digest     TEXT NOT NULL,
    created_at INTEGER NOT NULL
);

-- One-off commands: recorded when they are started; the one end of each is a row of its own.
CREATE TABLE dynos (
    id         TEXT PRIMARY KEY,
    app_id     TEXT NOT NULL REFERENCES apps (id),
    release_id TEXT NOT NULL REFERENCES releases (id),
    account_id TEXT NOT NULL REFERENCES accounts (id),
    name       TEXT NOT NULL,
    type       TEXT NOT NULL,
    command    TEXT NOT NULL,
    created_at INTEGER NOT NULL
);
CREATE INDEX dynos_name ON dynos (app_id, name, created_at);

CREATE TABLE dyno_ends (
    dyno_id     TEXT PRIMARY KEY REFERENCES dynos (id),
    -- As a shell has it; NULL when hoist ended the command.
    exit_status INTEGER,
    reason      TEXT,
    created_at  INTEGER NOT NULL
);

CREATE TABLE dyno_logs (
    dyno_id    TEXT PRIMARY KEY REFERENCES dynos (id),
    digest     TEXT NOT NULL,
    created_at INTEGER NOT NULL
);

CREATE TRIGGER release_refs_no_update BEFORE UPDATE ON release_refs BEGIN SELECT RAISE (ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER release_refs_no_delete BEFORE DELETE ON release_refs BEGIN SELECT RAISE (ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER dynos_no_update BEFORE UPDATE ON dynos BEGIN SELECT RAISE (ABORT, 'dynos are append-only'); END;
CREATE TRIGGER dynos_no_delete BEFORE DELETE ON dynos BEGIN SELECT RAISE (ABORT, 'dynos are append-only'); END;
CREATE TRIGGER dyno_ends_no_update BEFORE UPDATE ON dyno_ends BEGIN SELECT RAISE (ABORT, 'dynos are append-only'); END;
CREATE TRIGGER dyno_ends_no_delete BEFORE DELETE ON dyno_ends BEGIN SELECT RAISE (ABORT, 'dynos are append-only'); END;
