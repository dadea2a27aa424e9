-- The images that hoist has made of slugs, by release and stack. Whoever runs one by its digest finds it again: as long as a
-- row names a manifest, it is not deleted.
CREATE TABLE slug_images (
    app_id       TEXT NOT NULL,
    process_type TEXT NOT NULL,
    manifest     TEXT NOT NULL,
    release_id   TEXT NOT NULL REFERENCES releases (id),
    stack_digest TEXT NOT NULL,
    created_at   INTEGER NOT NULL,
    PRIMARY KEY (app_id, process_type, manifest),
    FOREIGN KEY (app_id, process_type, manifest) REFERENCES manifests (app_id, process_type, digest)
);
