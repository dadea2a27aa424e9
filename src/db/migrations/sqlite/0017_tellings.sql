-- The builds whose commit came from a connected repository, which is told what becomes of them. The connection may be gone.
CREATE TABLE build_origins (
    build_id      TEXT PRIMARY KEY REFERENCES builds (id),
    connection_id TEXT NOT NULL,
    commit_id     TEXT NOT NULL,
    pull_request  INTEGER
);

-- What is to be told outside, written by the transaction of what has happened. What is in one lane is told in the order of
-- its rows; `telling` is what, in JSON, and differs from row to row, so that a fact is told by one row. A row is open as long
-- as there is a next attempt; `given_up` says why it was not told.
CREATE TABLE tellings (
    number          INTEGER PRIMARY KEY AUTOINCREMENT,
    lane            TEXT NOT NULL,
    telling         TEXT NOT NULL UNIQUE,
    attempts        INTEGER NOT NULL DEFAULT 0,
    next_attempt_at INTEGER,
    given_up        TEXT,
    created_at      INTEGER NOT NULL
);
CREATE INDEX tellings_open ON tellings (lane, number) WHERE next_attempt_at IS NOT NULL;
CREATE INDEX tellings_created ON tellings (created_at);
