-- Which app's pushes an app is deployed with; NULL for none but its own.
ALTER TABLE apps ADD COLUMN follows TEXT REFERENCES apps (id);
CREATE INDEX apps_follows ON apps (follows) WHERE follows IS NOT NULL;

-- What is to be built of pushes to other apps. Written in the transaction that accepts the push.
CREATE TABLE follower_deploys (
    number          INTEGER PRIMARY KEY AUTOINCREMENT,
    id              TEXT NOT NULL UNIQUE,
    -- Who follows, and who was pushed to, with which build.
    app_id          TEXT NOT NULL REFERENCES apps (id),
    followed_id     TEXT NOT NULL REFERENCES apps (id),
    pushed_build_id TEXT NOT NULL REFERENCES builds (id),
    account_id      TEXT NOT NULL REFERENCES accounts (id),
    commit_id       TEXT NOT NULL,
    -- Fencing number of the follower's newest build when this was pushed.
    after_build     INTEGER NOT NULL,
    state           TEXT NOT NULL DEFAULT 'ready' CHECK (state IN ('ready', 'done')),
    -- Why there is no build, or not yet.
    reason          TEXT,
    attempts        INTEGER NOT NULL DEFAULT 0,
    next_attempt_at INTEGER NOT NULL,
    since           INTEGER NOT NULL,
    updated_at      INTEGER NOT NULL
);
CREATE INDEX follower_deploys_open ON follower_deploys (number) WHERE state <> 'done';
CREATE INDEX follower_deploys_app ON follower_deploys (app_id, number);
CREATE INDEX follower_deploys_pushed ON follower_deploys (pushed_build_id);

-- The builds that came of them: several of one, if hoist was stopped meanwhile. Append-only, like the builds.
CREATE TABLE follower_builds (
    build_id  TEXT PRIMARY KEY REFERENCES builds (id),
    deploy_id TEXT NOT NULL REFERENCES follower_deploys (id)
);
CREATE INDEX follower_builds_deploy ON follower_builds (deploy_id);
CREATE TRIGGER follower_builds_no_update BEFORE UPDATE ON follower_builds BEGIN SELECT RAISE (ABORT, 'builds are append-only'); END;
CREATE TRIGGER follower_builds_no_delete BEFORE DELETE ON follower_builds BEGIN SELECT RAISE (ABORT, 'builds are append-only'); END;
