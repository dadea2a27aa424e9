-- Setups of apps from their app.json, and test runs.

-- Which build and which command are a setup's is known on the way; how it ended is a row of its own, once.
CREATE TABLE app_setups (
    id            TEXT PRIMARY KEY,
    app_id        TEXT NOT NULL UNIQUE REFERENCES apps (id),
    account_id    TEXT NOT NULL REFERENCES accounts (id),
    created_at    INTEGER NOT NULL,
    build_id      TEXT REFERENCES builds (id),
    postdeploy_id TEXT REFERENCES dynos (id)
);

CREATE TABLE app_setup_ends (
    setup_id        TEXT PRIMARY KEY REFERENCES app_setups (id),
    -- NULL when it succeeded.
    failure_message TEXT,
    -- What is wrong with app.json, as a list in JSON.
    manifest_errors TEXT NOT NULL,
    success_url     TEXT,
    created_at      INTEGER NOT NULL
);

-- Recorded when they are accepted; the one end of each is a row of its own.
CREATE TABLE test_runs (
    id          TEXT PRIMARY KEY,
    pipeline_id TEXT NOT NULL REFERENCES pipelines (id),
    number      INTEGER NOT NULL,
    account_id  TEXT NOT NULL REFERENCES accounts (id),
    branch      TEXT NOT NULL,
    commit_id   TEXT NOT NULL,
    message     TEXT NOT NULL,
    source_url  TEXT NOT NULL,
    created_at  INTEGER NOT NULL,
    UNIQUE (pipeline_id, number)
);

CREATE TABLE test_run_ends (
    run_id       TEXT PRIMARY KEY REFERENCES test_runs (id),
    status       TEXT NOT NULL CHECK (status IN ('succeeded', 'failed', 'errored', 'cancelled')),
    -- As a shell has it; NULL when hoist ended the run.
    exit_code    INTEGER,
    message      TEXT,
    error_status TEXT,
    created_at   INTEGER NOT NULL
);

-- Written with the end.
CREATE TABLE test_cases (
    run_id      TEXT NOT NULL REFERENCES test_runs (id),
    -- The order in which they were reported: numbers are the tests' own.
    ordinal     INTEGER NOT NULL,
    number      INTEGER NOT NULL,
    description TEXT NOT NULL,
    directive   TEXT NOT NULL,
    diagnostic  TEXT NOT NULL,
    passed      INTEGER NOT NULL,
    PRIMARY KEY (run_id, ordinal)
);

CREATE TABLE test_logs (
    run_id     TEXT NOT NULL REFERENCES test_runs (id),
    log        TEXT NOT NULL CHECK (log IN ('setup', 'output')),
    digest     TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (run_id, log)
);

-- The config vars of a pipeline's stage, sealed.
CREATE TABLE pipeline_config_vars (
    pipeline_id TEXT NOT NULL REFERENCES pipelines (id),
    stage       TEXT NOT NULL,
    config      BLOB NOT NULL,
    updated_at  INTEGER NOT NULL,
    PRIMARY KEY (pipeline_id, stage)
);

CREATE TRIGGER app_setup_ends_no_update BEFORE UPDATE ON app_setup_ends BEGIN SELECT RAISE (ABORT, 'app setups are append-only'); END;
CREATE TRIGGER app_setup_ends_no_delete BEFORE DELETE ON app_setup_ends BEGIN SELECT RAISE (ABORT, 'app setups are append-only'); END;
CREATE TRIGGER test_runs_no_update BEFORE UPDATE ON test_runs BEGIN SELECT RAISE (ABORT, 'test runs are append-only'); END;
CREATE TRIGGER test_runs_no_delete BEFORE DELETE ON test_runs BEGIN SELECT RAISE (ABORT, 'test runs are append-only'); END;
CREATE TRIGGER test_run_ends_no_update BEFORE UPDATE ON test_run_ends BEGIN SELECT RAISE (ABORT, 'test runs are append-only'); END;
CREATE TRIGGER test_run_ends_no_delete BEFORE DELETE ON test_run_ends BEGIN SELECT RAISE (ABORT, 'test runs are append-only'); END;
