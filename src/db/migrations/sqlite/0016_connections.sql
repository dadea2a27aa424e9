-- Repositories on forges that apps and pipelines are connected to. What is secret is encrypted.
CREATE TABLE connections (
    id             TEXT PRIMARY KEY,
    app_id         TEXT UNIQUE REFERENCES apps (id),
    pipeline_id    TEXT UNIQUE REFERENCES pipelines (id),
    -- In whose name its builds are made.
    account_id     TEXT NOT NULL REFERENCES accounts (id),
    provider       TEXT NOT NULL CHECK (provider IN ('github', 'gitlab', 'gitea', 'forgejo')),
    -- Forges do not tell upper case from lower.
    full_name      TEXT NOT NULL COLLATE NOCASE,
    clone_url      TEXT NOT NULL,
    known_hosts    TEXT,
    branch         TEXT,
    auto_deploy    INTEGER NOT NULL,
    wait_for_ci    INTEGER NOT NULL,
    webhook_secret BLOB NOT NULL,
    token          BLOB,
    deploy_key     BLOB,
    created_at     INTEGER NOT NULL,
    updated_at     INTEGER NOT NULL,
    CHECK ((app_id IS NULL) <> (pipeline_id IS NULL))
);
CREATE INDEX connections_repository ON connections (provider, full_name);

-- What forges have told, once for each connection that it was proved for. `facts` is what hoist acts on, in JSON. Written with
-- what is to be done about it, so that the same delivery does nothing when it comes again.
CREATE TABLE deliveries_in (
    number        INTEGER PRIMARY KEY AUTOINCREMENT,
    connection_id TEXT NOT NULL REFERENCES connections (id) ON DELETE CASCADE,
    -- The forge's own id of it.
    delivery_id   TEXT NOT NULL,
    event         TEXT NOT NULL,
    facts         TEXT NOT NULL,
    -- What was done about it, in words for people.
    outcome       TEXT NOT NULL,
    received_at   INTEGER NOT NULL,
    UNIQUE (connection_id, delivery_id)
);
CREATE INDEX deliveries_in_event ON deliveries_in (event, number);
CREATE INDEX deliveries_in_received ON deliveries_in (received_at);

-- What is to be deployed from a repository, in the order in which it was asked for.
CREATE TABLE triggers (
    number          INTEGER PRIMARY KEY AUTOINCREMENT,
    id              TEXT NOT NULL UNIQUE,
    connection_id   TEXT NOT NULL REFERENCES connections (id) ON DELETE CASCADE,
    app_id          TEXT NOT NULL REFERENCES apps (id),
    account_id      TEXT NOT NULL REFERENCES accounts (id),
    cause           TEXT NOT NULL CHECK (cause IN ('push', 'manual', 'pull_request')),
    branch          TEXT NOT NULL,
    -- NULL as long as the forge has not been asked where the branch stands.
    commit_id       TEXT,
    -- Of a push: where the branch stood, and when it was pushed.
    before_id       TEXT,
    pushed_at       INTEGER,
    state           TEXT NOT NULL CHECK (state IN ('waiting_for_ci', 'ready', 'done')),
    -- The build that came of it, or why there is none, or not yet.
    build_id        TEXT REFERENCES builds (id),
    reason          TEXT,
    attempts        INTEGER NOT NULL DEFAULT 0,
    next_attempt_at INTEGER NOT NULL,
    created_at      INTEGER NOT NULL,
    updated_at      INTEGER NOT NULL
);
CREATE INDEX triggers_open ON triggers (number) WHERE state <> 'done';
CREATE INDEX triggers_app ON triggers (app_id, number);
CREATE INDEX triggers_branch ON triggers (connection_id, branch, number);
CREATE INDEX triggers_build ON triggers (build_id);
