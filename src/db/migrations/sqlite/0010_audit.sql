-- The audit trail: who did what, from where. An event is written before what it tells of takes effect; how that ended is a
-- row of its own. An event without one was cut off, and its effect is to be looked for elsewhere.
CREATE TABLE audit_events (
    number     INTEGER PRIMARY KEY AUTOINCREMENT,
    id         TEXT NOT NULL UNIQUE,
    door       TEXT NOT NULL CHECK (door IN ('api', 'git-http', 'git-ssh', 'admin')),
    -- NULL for whoever runs the installation, at the door `admin`.
    account_id TEXT REFERENCES accounts (id),
    -- Which token, SSH key or user of the host. The token may be gone, so it is no reference.
    credential TEXT NOT NULL,
    address    TEXT,
    request_id TEXT NOT NULL,
    app_id     TEXT REFERENCES apps (id),
    type       TEXT NOT NULL,
    action     TEXT NOT NULL,
    -- In JSON: names of what was changed, never config values or other secrets.
    data       TEXT NOT NULL,
    created_at INTEGER NOT NULL
);
CREATE INDEX audit_events_app ON audit_events (app_id, number);
CREATE INDEX audit_events_account ON audit_events (account_id, number);
CREATE INDEX audit_events_created ON audit_events (created_at);

CREATE TABLE audit_outcomes (
    number     INTEGER PRIMARY KEY REFERENCES audit_events (number),
    outcome    TEXT NOT NULL CHECK (outcome IN ('succeeded', 'refused', 'failed')),
    detail     TEXT NOT NULL,
    created_at INTEGER NOT NULL
);

-- Old events may go, but not unseen: a row here says up to when, and is never removed. Only what is older than the
-- newest of these, and than a day, can be deleted.
CREATE TABLE audit_cuts (
    number     INTEGER PRIMARY KEY AUTOINCREMENT,
    before     INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    CHECK (before <= created_at - 86400000)
);
CREATE TRIGGER audit_events_no_update BEFORE UPDATE ON audit_events BEGIN SELECT RAISE (ABORT, 'the audit trail is append-only'); END;
CREATE TRIGGER audit_outcomes_no_update BEFORE UPDATE ON audit_outcomes BEGIN SELECT RAISE (ABORT, 'the audit trail is append-only'); END;
CREATE TRIGGER audit_cuts_no_update BEFORE UPDATE ON audit_cuts BEGIN SELECT RAISE (ABORT, 'the audit trail is append-only'); END;
CREATE TRIGGER audit_cuts_no_delete BEFORE DELETE ON audit_cuts BEGIN SELECT RAISE (ABORT, 'the audit trail is append-only'); END;
CREATE TRIGGER audit_events_no_delete BEFORE DELETE ON audit_events
WHEN OLD.created_at >= COALESCE ((SELECT MAX (before) FROM audit_cuts), 0)
BEGIN SELECT RAISE (ABORT, 'the audit trail is append-only'); END;
CREATE TRIGGER audit_outcomes_no_delete BEFORE DELETE ON audit_outcomes
WHEN (SELECT created_at FROM audit_events WHERE number = OLD.number) >= COALESCE ((SELECT MAX (before) FROM audit_cuts), 0)
BEGIN SELECT RAISE (ABORT, 'the audit trail is append-only'); END;
