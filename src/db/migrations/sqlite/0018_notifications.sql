-- Who is told of an app's releases: a URL, an e-mail address, or a command in the release, run in the name of who asked for it.
CREATE TABLE notifications (
    id         TEXT PRIMARY KEY,
    app_id     TEXT NOT NULL REFERENCES apps (id),
    account_id TEXT NOT NULL REFERENCES accounts (id),
    kind       TEXT NOT NULL CHECK (kind IN ('command', 'email', 'url')),
    target     TEXT NOT NULL,
    created_at INTEGER NOT NULL
);
CREATE INDEX notifications_app ON notifications (app_id, created_at);
