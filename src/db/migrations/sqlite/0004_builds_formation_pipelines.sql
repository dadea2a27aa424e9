-- Where an archive may be put for a build, and what was put there. Who knows `id` may read it, who knows `upload_id` may put
-- something there, until it expires.
CREATE TABLE sources (
    id         TEXT PRIMARY KEY,
    upload_id  TEXT NOT NULL UNIQUE,
    account_id TEXT NOT NULL REFERENCES accounts (id),
    digest     TEXT,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
);
CREATE INDEX sources_expiry ON sources (expires_at);

-- What a build of an archive was asked to build; a git push has no row here. `buildpacks` is a list in JSON.
CREATE TABLE build_sources (
    build_id            TEXT PRIMARY KEY REFERENCES builds (id),
    url                 TEXT NOT NULL,
    checksum            TEXT,
    version             TEXT,
    version_description TEXT,
    buildpacks          TEXT NOT NULL
);
CREATE TRIGGER build_sources_no_update BEFORE UPDATE ON build_sources BEGIN SELECT RAISE (ABORT, 'builds are append-only'); END;
CREATE TRIGGER build_sources_no_delete BEFORE DELETE ON build_sources BEGIN SELECT RAISE (ABORT, 'builds are append-only'); END;

-- How many of a process type are wanted, and how large: for whatever runs the app.
CREATE TABLE formations (
    app_id     TEXT NOT NULL REFERENCES apps (id),
    type       TEXT NOT NULL,
    quantity   INTEGER NOT NULL CHECK (quantity >= 0),
    size       TEXT NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (app_id, type)
);

-- A destroyed pipeline keeps its row, because its promotions stay; its name becomes free.
CREATE TABLE pipelines (
    id           TEXT PRIMARY KEY,
    name         TEXT NOT NULL,
    owner_id     TEXT NOT NULL REFERENCES accounts (id),
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL,
    destroyed_at INTEGER
);
CREATE UNIQUE INDEX pipelines_living_name ON pipelines (owner_id, name) WHERE destroyed_at IS NULL;

-- An app is in one pipeline at most.
CREATE TABLE pipeline_couplings (
    id          TEXT PRIMARY KEY,
    app_id      TEXT NOT NULL UNIQUE REFERENCES apps (id),
    pipeline_id TEXT NOT NULL REFERENCES pipelines (id),
    stage       TEXT NOT NULL CHECK (stage IN ('test', 'review', 'development', 'staging', 'production')),
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL
);
CREATE INDEX pipeline_couplings_pipeline ON pipeline_couplings (pipeline_id);

CREATE TABLE pipeline_promotions (
    id                TEXT PRIMARY KEY,
    pipeline_id       TEXT NOT NULL REFERENCES pipelines (id),
    account_id        TEXT NOT NULL REFERENCES accounts (id),
    source_app_id     TEXT NOT NULL REFERENCES apps (id),
    source_release_id TEXT NOT NULL REFERENCES releases (id),
    created_at        INTEGER NOT NULL
);

-- Written with the release that came of it, or with the reason why none did.
CREATE TABLE pipeline_promotion_targets (
    id            TEXT PRIMARY KEY,
    promotion_id  TEXT NOT NULL REFERENCES pipeline_promotions (id),
    app_id        TEXT NOT NULL REFERENCES apps (id),
    release_id    TEXT REFERENCES releases (id),
    error_message TEXT
);
CREATE INDEX pipeline_promotion_targets_promotion ON pipeline_promotion_targets (promotion_id);
