-- A look at the ledger takes the same time however long it has become, and what happened to a release is proved, too.

-- The hash of a status covers the one before it, of the same release. What is older than this has none.
ALTER TABLE release_events ADD COLUMN hash TEXT;
ALTER TABLE release_blocks ADD COLUMN hash TEXT;

-- The releases whose last status is succeeded, kept by a trigger. The greatest version of an app is its current release.
CREATE TABLE succeeded_releases (
    app_id  TEXT NOT NULL REFERENCES apps (id),
    version INTEGER NOT NULL,
    PRIMARY KEY (app_id, version)
) WITHOUT ROWID;

INSERT INTO succeeded_releases (app_id, version)
SELECT app_id, version FROM releases
WHERE 'succeeded' = (SELECT status FROM release_events WHERE release_id = releases.id ORDER BY number DESC LIMIT 1);

CREATE TRIGGER release_events_succeeded AFTER INSERT ON release_events WHEN NEW.status = 'succeeded'
BEGIN INSERT OR IGNORE INTO succeeded_releases (app_id, version) SELECT app_id, version FROM releases WHERE id = NEW.release_id; END;
CREATE TRIGGER release_events_not_succeeded AFTER INSERT ON release_events WHEN NEW.status <> 'succeeded'
BEGIN DELETE FROM succeeded_releases WHERE (app_id, version) = (SELECT app_id, version FROM releases WHERE id = NEW.release_id); END;

-- The first release of a build and the newest of a slug are found without looking at the others.
CREATE INDEX releases_build ON releases (app_id, build_id, version);
DROP INDEX releases_slug;
CREATE INDEX releases_slug ON releases (slug_id, app_id, version);

-- An account's apps, in the orders in which they are listed.
CREATE INDEX apps_owner_name ON apps (owner_id, name) WHERE destroyed_at IS NULL;
CREATE INDEX apps_owner_id ON apps (owner_id, id) WHERE destroyed_at IS NULL;
