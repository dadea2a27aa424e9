-- Releases of images. An OCI image, in Heroku's words, is what an app runs for each of its process types: one image each.
CREATE TABLE oci_images (
    id         TEXT PRIMARY KEY,
    app_id     TEXT NOT NULL REFERENCES apps (id),
    commit_id  TEXT,
    created_at INTEGER NOT NULL
);
CREATE INDEX oci_images_app ON oci_images (app_id);

-- `digest` is the manifest's, which stands in the app's repository of this process type; `image_id` is its config's. `run` is
-- what a shell runs in place of the image's own command, `command` what is shown.
CREATE TABLE oci_image_process_types (
    oci_image_id TEXT NOT NULL REFERENCES oci_images (id),
    app_id       TEXT NOT NULL,
    process_type TEXT NOT NULL,
    digest       TEXT NOT NULL,
    image_id     TEXT NOT NULL,
    run          TEXT,
    command      TEXT NOT NULL,
    working_dir  TEXT NOT NULL,
    PRIMARY KEY (oci_image_id, process_type),
    -- What is released can't be deleted.
    FOREIGN KEY (app_id, process_type, digest) REFERENCES manifests (app_id, process_type, digest)
);
CREATE INDEX oci_image_process_types_manifest ON oci_image_process_types (app_id, process_type, digest);
CREATE INDEX oci_image_process_types_image_id ON oci_image_process_types (image_id);

-- A release has a slug, or an image, or neither. The hash covers the image, so that the hashes of older rows stay what they
-- are.
ALTER TABLE releases ADD COLUMN oci_image_id TEXT REFERENCES oci_images (id) CHECK (oci_image_id IS NULL OR slug_id IS NULL);
CREATE INDEX releases_oci_image ON releases (oci_image_id, app_id, version);

CREATE TRIGGER oci_images_no_update BEFORE UPDATE ON oci_images BEGIN SELECT RAISE (ABORT, 'images are append-only'); END;
CREATE TRIGGER oci_images_no_delete BEFORE DELETE ON oci_images BEGIN SELECT RAISE (ABORT, 'images are append-only'); END;
CREATE TRIGGER oci_image_process_types_no_update BEFORE UPDATE ON oci_image_process_types BEGIN SELECT RAISE (ABORT, 'images are append-only'); END;
CREATE TRIGGER oci_image_process_types_no_delete BEFORE DELETE ON oci_image_process_types BEGIN SELECT RAISE (ABORT, 'images are append-only'); END;
CREATE TRIGGER oci_image_process_types_no_late_insert BEFORE INSERT ON oci_image_process_types
WHEN EXISTS (SELECT 1 FROM releases WHERE oci_image_id = NEW.oci_image_id)
BEGIN SELECT RAISE (ABORT, 'images are append-only'); END;
