-- What a collaborator may do, as a list: `deploy,operate,view`. Who was one before keeps what every collaborator could do.
ALTER TABLE collaborators ADD COLUMN permissions TEXT NOT NULL DEFAULT 'deploy,operate,view';
-- When the permissions were set; NULL for who has never had others.
ALTER TABLE collaborators ADD COLUMN updated_at INTEGER;

-- Tokens become authorizations: what each may be used for, who made it, and how it is shown. Those of before were made by
-- `hoist admin` and may be used for everything; of their texts nothing is known.
ALTER TABLE tokens ADD COLUMN scope TEXT NOT NULL DEFAULT 'global';
ALTER TABLE tokens ADD COLUMN origin TEXT NOT NULL DEFAULT 'admin' CHECK (origin IN ('admin', 'user'));
-- Changes when the token is replaced; NULL stands for `id`.
ALTER TABLE tokens ADD COLUMN token_id TEXT;
ALTER TABLE tokens ADD COLUMN mask TEXT;
ALTER TABLE tokens ADD COLUMN updated_at INTEGER;
CREATE INDEX tokens_account ON tokens (account_id);

-- What a user calls themselves.
ALTER TABLE accounts ADD COLUMN name TEXT;
