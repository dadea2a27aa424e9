-- What has happened to apps, in the order in which it was recorded: by the transaction that made it happen. Webhooks and
-- logs both tell of it. `facts` is what of the resource can't be read from append-only rows later, in JSON. Old rows are
-- forgotten, with their deliveries.
CREATE TABLE events (
    number     INTEGER PRIMARY KEY AUTOINCREMENT,
    id         TEXT NOT NULL UNIQUE,
    app_id     TEXT NOT NULL REFERENCES apps (id),
    -- As it was then: an app can be renamed.
    app_name   TEXT NOT NULL,
    action     TEXT NOT NULL CHECK (action IN ('create', 'update', 'destroy')),
    account_id TEXT NOT NULL REFERENCES accounts (id),
    facts      TEXT NOT NULL,
    created_at INTEGER NOT NULL
);
CREATE INDEX events_app ON events (app_id, number);
CREATE INDEX events_created ON events (created_at);

-- `secret` and `authorization` are encrypted; `include` is a list in JSON.
CREATE TABLE webhooks (
    id            TEXT PRIMARY KEY,
    app_id        TEXT NOT NULL REFERENCES apps (id),
    url           TEXT NOT NULL,
    include       TEXT NOT NULL,
    level         TEXT NOT NULL CHECK (level IN ('notify', 'sync')),
    secret        BLOB NOT NULL,
    authorization BLOB,
    created_at    INTEGER NOT NULL,
    updated_at    INTEGER NOT NULL
);
CREATE INDEX webhooks_app ON webhooks (app_id, created_at);

-- One event on its way to one webhook. It is open as long as there is a next attempt.
CREATE TABLE webhook_deliveries (
    number          INTEGER PRIMARY KEY AUTOINCREMENT,
    id              TEXT NOT NULL UNIQUE,
    webhook_id      TEXT NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
    event_number    INTEGER NOT NULL REFERENCES events (number) ON DELETE CASCADE,
    status          TEXT NOT NULL CHECK (status IN ('pending', 'retrying', 'succeeded', 'failed')),
    attempts        INTEGER NOT NULL DEFAULT 0,
    next_attempt_at INTEGER,
    created_at      INTEGER NOT NULL,
    updated_at      INTEGER NOT NULL
);
CREATE INDEX webhook_deliveries_event ON webhook_deliveries (event_number);
CREATE INDEX webhook_deliveries_webhook ON webhook_deliveries (webhook_id, number);
CREATE INDEX webhook_deliveries_open ON webhook_deliveries (webhook_id, number) WHERE next_attempt_at IS NOT NULL;

CREATE TABLE webhook_attempts (
    number      INTEGER PRIMARY KEY AUTOINCREMENT,
    id          TEXT NOT NULL UNIQUE,
    delivery_id TEXT NOT NULL REFERENCES webhook_deliveries (id) ON DELETE CASCADE,
    -- Of the answer, if there was one.
    code        INTEGER,
    -- Why there was none.
    error_class TEXT,
    status      TEXT NOT NULL CHECK (status IN ('succeeded', 'failed')),
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL
);
CREATE INDEX webhook_attempts_delivery ON webhook_attempts (delivery_id, number);
