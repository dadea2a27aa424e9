-- Images as clients push them. A repository is an app and a process type, and needs no row of its own. The bytes of blobs and
-- manifests lie in the blob store under their digests.

-- That a repository has a blob. `used_at` is when it was last pushed, asked for or mounted.
CREATE TABLE image_blobs (
    app_id       TEXT NOT NULL REFERENCES apps (id),
    process_type TEXT NOT NULL,
    digest       TEXT NOT NULL,
    size_bytes   INTEGER NOT NULL,
    used_at      INTEGER NOT NULL,
    PRIMARY KEY (app_id, process_type, digest)
);
CREATE INDEX image_blobs_digest ON image_blobs (digest);

-- What must not be deleted as long as a row names it refers to this table, and keeps it from being deleted by that.
CREATE TABLE manifests (
    app_id        TEXT NOT NULL REFERENCES apps (id),
    process_type  TEXT NOT NULL,
    digest        TEXT NOT NULL,
    media_type    TEXT NOT NULL,
    size_bytes    INTEGER NOT NULL,
    -- The config's media type where the manifest itself says nothing.
    artifact_type TEXT,
    subject       TEXT,
    annotations   TEXT NOT NULL,
    -- The config's digest, by which Docker names an image. NULL for an index.
    image_id      TEXT,
    pushed_at     INTEGER NOT NULL,
    PRIMARY KEY (app_id, process_type, digest)
);
CREATE INDEX manifests_digest ON manifests (digest);
CREATE INDEX manifests_image ON manifests (app_id, process_type, image_id) WHERE image_id IS NOT NULL;
CREATE INDEX manifests_subject ON manifests (app_id, process_type, subject, digest) WHERE subject IS NOT NULL;

-- What a manifest is made of, all of it in the manifest's own repository.
CREATE TABLE manifest_children (
    app_id       TEXT NOT NULL,
    process_type TEXT NOT NULL,
    manifest     TEXT NOT NULL,
    child        TEXT NOT NULL,
    kind         TEXT NOT NULL CHECK (kind IN ('blob', 'manifest')),
    PRIMARY KEY (app_id, process_type, manifest, child),
    FOREIGN KEY (app_id, process_type, manifest) REFERENCES manifests (app_id, process_type, digest) ON DELETE CASCADE
);
CREATE INDEX manifest_children_child ON manifest_children (app_id, process_type, child);

CREATE TABLE image_tags (
    app_id       TEXT NOT NULL,
    process_type TEXT NOT NULL,
    tag          TEXT NOT NULL,
    manifest     TEXT NOT NULL,
    PRIMARY KEY (app_id, process_type, tag),
    FOREIGN KEY (app_id, process_type, manifest) REFERENCES manifests (app_id, process_type, digest) ON DELETE CASCADE
);
-- The order in which the specification lists them.
CREATE INDEX image_tags_order ON image_tags (app_id, process_type, tag COLLATE NOCASE, tag);
CREATE INDEX image_tags_manifest ON image_tags (app_id, process_type, manifest);

-- Blobs that are being uploaded. What has come of one lies in the blob store's `uploads/`, under its id.
CREATE TABLE blob_uploads (
    id           TEXT PRIMARY KEY,
    app_id       TEXT NOT NULL REFERENCES apps (id),
    process_type TEXT NOT NULL,
    created_at   INTEGER NOT NULL
);
