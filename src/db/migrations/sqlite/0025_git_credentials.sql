-- What apps show other git servers for the submodules of their code. What is secret is encrypted. A deploy key has a public half,
-- a token may have a user name.
CREATE TABLE git_credentials (
    id           TEXT PRIMARY KEY,
    app_id       TEXT NOT NULL REFERENCES apps (id),
    -- Who has given it.
    account_id   TEXT NOT NULL REFERENCES accounts (id),
    url          TEXT NOT NULL,
    username     TEXT,
    public_key   TEXT,
    known_hosts  TEXT,
    secret       BLOB NOT NULL,
    created_at   INTEGER NOT NULL,
    last_used_at INTEGER,
    UNIQUE (app_id, url),
    CHECK (username IS NULL OR public_key IS NULL)
);
