-- What a pipeline's review apps are like; there is no row where it has none.
CREATE TABLE review_app_configs (
    pipeline_id   TEXT PRIMARY KEY REFERENCES pipelines (id),
    -- Who has enabled them: in whose name those are made that nobody asks for.
    account_id    TEXT NOT NULL REFERENCES accounts (id),
    automatic     INTEGER NOT NULL,
    destroy_stale INTEGER NOT NULL,
    stale_days    INTEGER NOT NULL,
    wait_for_ci   INTEGER NOT NULL,
    base_name     TEXT,
    forks         TEXT NOT NULL CHECK (forks IN ('refused', 'without_config_vars', 'with_config_vars')),
    created_at    INTEGER NOT NULL,
    updated_at    INTEGER NOT NULL
);

-- The row says what is to be done with the app, so that it is done whatever cuts it off: something is, as long as there is a
-- next attempt.
CREATE TABLE review_apps (
    id              TEXT PRIMARY KEY,
    pipeline_id     TEXT NOT NULL REFERENCES pipelines (id),
    account_id      TEXT NOT NULL REFERENCES accounts (id),
    branch          TEXT NOT NULL,
    pull_request    INTEGER,
    -- The repository of the branch, if not the pipeline's own.
    fork            TEXT,
    status          TEXT NOT NULL CHECK (status IN ('pending', 'creating', 'created', 'deleting', 'deleted', 'errored')),
    -- What is wanted: a commit of the pipeline's repository (NULL for the branch's tip), or an archive.
    commit_id       TEXT,
    archive_url     TEXT,
    archive_digest  TEXT,
    archive_version TEXT,
    -- The commit that was deployed last, with or without success, and when.
    deployed_commit TEXT,
    deployed_at     INTEGER NOT NULL,
    wait_for_ci     INTEGER NOT NULL,
    -- Encrypted: config vars that were asked for with it.
    environment     BLOB,
    -- While it is pending: of an earlier attempt, and to be destroyed first.
    app_id          TEXT REFERENCES apps (id),
    setup_id        TEXT REFERENCES app_setups (id),
    -- The command to be run before the app is destroyed.
    predestroy      TEXT,
    message         TEXT,
    error_status    TEXT,
    attempts        INTEGER NOT NULL DEFAULT 0,
    next_attempt_at INTEGER,
    created_at      INTEGER NOT NULL,
    updated_at      INTEGER NOT NULL
);
-- One for each branch, also of each fork.
CREATE UNIQUE INDEX review_apps_living ON review_apps (pipeline_id, branch, COALESCE (fork, ''))
    WHERE status NOT IN ('deleting', 'deleted');
CREATE INDEX review_apps_pipeline ON review_apps (pipeline_id, created_at);
CREATE INDEX review_apps_app ON review_apps (app_id);
CREATE INDEX review_apps_open ON review_apps (next_attempt_at) WHERE next_attempt_at IS NOT NULL;

-- What was last heard of a pull request: what had happened before that, and is told later, says nothing any more.
CREATE TABLE pull_requests (
    pipeline_id TEXT NOT NULL REFERENCES pipelines (id),
    number      INTEGER NOT NULL,
    is_open     INTEGER NOT NULL,
    happened_at INTEGER NOT NULL,
    PRIMARY KEY (pipeline_id, number)
);
