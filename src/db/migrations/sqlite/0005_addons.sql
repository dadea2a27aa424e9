-- Add-ons. A row is written before anything is made on the add-on's server and goes when all of it has been removed there,
-- so that whatever cuts a change off, the row says what is left to do.
CREATE TABLE addons (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL UNIQUE,
    app_id     TEXT NOT NULL REFERENCES apps (id),
    -- Who asked for it last; what was cut off is completed in this account's name.
    account_id TEXT NOT NULL REFERENCES accounts (id),
    plan       TEXT NOT NULL,
    state      TEXT NOT NULL CHECK (state IN ('provisioning', 'provisioned', 'deprovisioning')),
    slot       INTEGER UNIQUE,
    -- Encrypted: the address with the password, as apps are told; and the one that is about to replace it.
    url        BLOB NOT NULL,
    next_url   BLOB,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
);
CREATE INDEX addons_app ON addons (app_id);

CREATE TABLE addon_attachments (
    id         TEXT PRIMARY KEY,
    addon_id   TEXT NOT NULL REFERENCES addons (id),
    app_id     TEXT NOT NULL REFERENCES apps (id),
    name       TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    UNIQUE (app_id, name)
);
CREATE INDEX addon_attachments_addon ON addon_attachments (addon_id);

-- The add-ons that were attached when the release was made, a list in JSON. The hash covers it unless it is empty, so that
-- the hashes of older rows stay what they are.
ALTER TABLE releases ADD COLUMN addons TEXT NOT NULL DEFAULT '[]';
