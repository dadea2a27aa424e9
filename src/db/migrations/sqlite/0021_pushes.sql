-- The forge's own number of a connection's repository, which stays when the repository is renamed or transferred. NULL until
-- the forge has named it.
ALTER TABLE connections ADD COLUMN repository_id INTEGER;
CREATE INDEX connections_repository_id ON connections (provider, repository_id);

-- Since when a trigger is in its state, and how often a build of it was cut off by a stop of hoist's. NULL: since it was made.
ALTER TABLE triggers ADD COLUMN since INTEGER;
ALTER TABLE triggers ADD COLUMN cut_off INTEGER NOT NULL DEFAULT 0;

-- Nobody asks for deliveries by what they are about.
DROP INDEX deliveries_in_event;
