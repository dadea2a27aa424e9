-- Files of Git LFS whose bytes an app has been sent. They lie in the blob store under their digests.
CREATE TABLE lfs_objects (
    app_id       TEXT NOT NULL REFERENCES apps (id),
    digest       TEXT NOT NULL,
    size_bytes   INTEGER NOT NULL,
    -- When it was last sent, about to be sent, or pushed a pointer to.
    used_at      INTEGER NOT NULL,
    -- Whether a commit of the app's has been found that needs it: then it stays for as long as the app.
    is_committed INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (app_id, digest)
);
CREATE INDEX lfs_objects_digest ON lfs_objects (digest);
CREATE INDEX lfs_objects_uncommitted ON lfs_objects (used_at) WHERE is_committed = 0;

-- Files that somebody has locked, by Git LFS's locks: others' clients do not push changes to them.
CREATE TABLE lfs_locks (
    id         TEXT PRIMARY KEY,
    app_id     TEXT NOT NULL REFERENCES apps (id),
    path       TEXT NOT NULL,
    account_id TEXT NOT NULL REFERENCES accounts (id),
    locked_at  INTEGER NOT NULL,
    UNIQUE (app_id, path)
);
