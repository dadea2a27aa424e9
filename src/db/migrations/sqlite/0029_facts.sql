-- What happened in builds. Written once, when a build has ended; one that a crash cut off has none.
CREATE TABLE build_facts (
    build_id             TEXT PRIMARY KEY REFERENCES builds (id),
    -- Milliseconds by phase, as JSON.
    phases               TEXT NOT NULL,
    cache_restored_bytes INTEGER,
    cache_saved_bytes    INTEGER,
    -- What the buildpacks' bin/report have said, as JSON.
    reports              TEXT NOT NULL
);
CREATE TRIGGER build_facts_no_update BEFORE UPDATE ON build_facts BEGIN SELECT RAISE (ABORT, 'builds are append-only'); END;
CREATE TRIGGER build_facts_no_delete BEFORE DELETE ON build_facts BEGIN SELECT RAISE (ABORT, 'builds are append-only'); END;

-- What is said of slugs when they are built: what is in them (`sbom`) and where they come from (`provenance`). Each is a blob.
CREATE TABLE slug_statements (
    slug_id    TEXT NOT NULL REFERENCES slugs (id),
    kind       TEXT NOT NULL,
    digest     TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,
    PRIMARY KEY (slug_id, kind)
);
-- Garbage collection asks of each old blob whether anything refers to it.
CREATE INDEX slug_statements_digest ON slug_statements (digest);
CREATE TRIGGER slug_statements_no_update BEFORE UPDATE ON slug_statements BEGIN SELECT RAISE (ABORT, 'slugs are append-only'); END;
CREATE TRIGGER slug_statements_no_delete BEFORE DELETE ON slug_statements BEGIN SELECT RAISE (ABORT, 'slugs are append-only'); END;
