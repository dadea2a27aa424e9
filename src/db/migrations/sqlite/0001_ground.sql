-- Times are Unix milliseconds, ids and digests text, so that the same statements work on every database.

CREATE TABLE accounts (
    id         TEXT PRIMARY KEY,
    email      TEXT NOT NULL UNIQUE,
    created_at INTEGER NOT NULL
);

-- API tokens. Only the SHA-256 of a token is kept.
CREATE TABLE tokens (
    id          TEXT PRIMARY KEY,
    account_id  TEXT NOT NULL REFERENCES accounts (id),
    hash        TEXT NOT NULL UNIQUE,
    description TEXT NOT NULL,
    created_at  INTEGER NOT NULL,
    expires_at  INTEGER
);

CREATE TABLE ssh_keys (
    id          TEXT PRIMARY KEY,
    account_id  TEXT NOT NULL REFERENCES accounts (id),
    fingerprint TEXT NOT NULL UNIQUE,
    public_key  TEXT NOT NULL,
    comment     TEXT NOT NULL,
    created_at  INTEGER NOT NULL
);

-- A destroyed app keeps its row, because its releases stay; its name becomes free.
CREATE TABLE apps (
    id           TEXT PRIMARY KEY,
    name         TEXT NOT NULL,
    owner_id     TEXT NOT NULL REFERENCES accounts (id),
    stack        TEXT NOT NULL,
    cache_digest TEXT,
    last_build   INTEGER NOT NULL DEFAULT 0,
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL,
    destroyed_at INTEGER
);
CREATE UNIQUE INDEX apps_living_name ON apps (name) WHERE destroyed_at IS NULL;

CREATE TABLE collaborators (
    app_id     TEXT NOT NULL REFERENCES apps (id),
    account_id TEXT NOT NULL REFERENCES accounts (id),
    created_at INTEGER NOT NULL,
    PRIMARY KEY (app_id, account_id)
);
CREATE INDEX collaborators_account ON collaborators (account_id);

CREATE TABLE app_buildpacks (
    app_id    TEXT NOT NULL REFERENCES apps (id),
    ordinal   INTEGER NOT NULL,
    buildpack TEXT NOT NULL,
    PRIMARY KEY (app_id, ordinal)
);

-- An app's git repository: refs live here, beside the ledger, so that one transaction moves both.
CREATE TABLE refs (
    app_id    TEXT NOT NULL REFERENCES apps (id),
    name      TEXT NOT NULL,
    commit_id TEXT NOT NULL,
    PRIMARY KEY (app_id, name)
);

CREATE TABLE packs (
    app_id     TEXT NOT NULL REFERENCES apps (id),
    name       TEXT NOT NULL,
    objects    INTEGER NOT NULL,
    bytes      INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (app_id, name)
);

-- A build is recorded when it is accepted; its one outcome is a row of its own.
CREATE TABLE builds (
    id         TEXT PRIMARY KEY,
    app_id     TEXT NOT NULL REFERENCES apps (id),
    -- Fencing number: the order in which the app's builds were accepted.
    number     INTEGER NOT NULL,
    account_id TEXT NOT NULL REFERENCES accounts (id),
    commit_id  TEXT,
    stack      TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    UNIQUE (app_id, number)
);

CREATE TABLE slugs (
    id             TEXT PRIMARY KEY,
    app_id         TEXT NOT NULL REFERENCES apps (id),
    digest         TEXT NOT NULL,
    content_digest TEXT NOT NULL,
    size_bytes     INTEGER NOT NULL,
    stack          TEXT NOT NULL,
    stack_digest   TEXT NOT NULL,
    commit_id      TEXT,
    process_types  TEXT NOT NULL,
    language       TEXT,
    created_at     INTEGER NOT NULL
);

CREATE TABLE build_outcomes (
    build_id   TEXT PRIMARY KEY REFERENCES builds (id),
    status     TEXT NOT NULL CHECK (status IN ('succeeded', 'failed', 'cancelled')),
    reason     TEXT,
    slug_id    TEXT REFERENCES slugs (id),
    created_at INTEGER NOT NULL
);

-- The finished log in the blob store; it is complete only after the outcome, which may be its last line.
CREATE TABLE build_logs (
    build_id   TEXT PRIMARY KEY REFERENCES builds (id),
    digest     TEXT NOT NULL,
    created_at INTEGER NOT NULL
);

-- The ledger. `config` is the encrypted snapshot of the config vars, `hash` chains the rows of an app.
CREATE TABLE releases (
    id            TEXT PRIMARY KEY,
    app_id        TEXT NOT NULL REFERENCES apps (id),
    version       INTEGER NOT NULL CHECK (version > 0),
    description   TEXT NOT NULL,
    account_id    TEXT NOT NULL REFERENCES accounts (id),
    slug_id       TEXT REFERENCES slugs (id),
    build_id      TEXT REFERENCES builds (id),
    commit_id     TEXT,
    config        BLOB NOT NULL,
    previous_hash TEXT NOT NULL,
    hash          TEXT NOT NULL,
    created_at    INTEGER NOT NULL,
    UNIQUE (app_id, version)
);

-- What happens to a release later.
CREATE TABLE release_events (
    number     INTEGER PRIMARY KEY AUTOINCREMENT,
    release_id TEXT NOT NULL REFERENCES releases (id),
    status     TEXT NOT NULL CHECK (status IN ('pending', 'succeeded', 'failed', 'expired')),
    created_at INTEGER NOT NULL
);
CREATE INDEX release_events_release ON release_events (release_id, number);

-- Append-only, whoever asks.
CREATE TRIGGER releases_no_update BEFORE UPDATE ON releases BEGIN SELECT RAISE (ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER releases_no_delete BEFORE DELETE ON releases BEGIN SELECT RAISE (ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER release_events_no_update BEFORE UPDATE ON release_events BEGIN SELECT RAISE (ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER release_events_no_delete BEFORE DELETE ON release_events BEGIN SELECT RAISE (ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER builds_no_update BEFORE UPDATE ON builds BEGIN SELECT RAISE (ABORT, 'builds are append-only'); END;
CREATE TRIGGER builds_no_delete BEFORE DELETE ON builds BEGIN SELECT RAISE (ABORT, 'builds are append-only'); END;
CREATE TRIGGER build_outcomes_no_update BEFORE UPDATE ON build_outcomes BEGIN SELECT RAISE (ABORT, 'builds are append-only'); END;
CREATE TRIGGER build_outcomes_no_delete BEFORE DELETE ON build_outcomes BEGIN SELECT RAISE (ABORT, 'builds are append-only'); END;
CREATE TRIGGER slugs_no_update BEFORE UPDATE ON slugs BEGIN SELECT RAISE (ABORT, 'slugs are append-only'); END;
CREATE TRIGGER slugs_no_delete BEFORE DELETE ON slugs BEGIN SELECT RAISE (ABORT, 'slugs are append-only'); END;

-- Versions are dense from v1 and every row names the hash of the one before.
CREATE TRIGGER releases_in_order BEFORE INSERT ON releases
WHEN NEW.version <> COALESCE ((SELECT MAX (version) FROM releases WHERE app_id = NEW.app_id), 0) + 1
  OR NEW.previous_hash <> COALESCE ((SELECT hash FROM releases WHERE app_id = NEW.app_id ORDER BY version DESC LIMIT 1), '')
BEGIN SELECT RAISE (ABORT, 'the ledger has moved on'); END;
