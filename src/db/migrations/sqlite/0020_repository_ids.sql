-- The forge's own number of a connection's repository, which stays when the repository is renamed or transferred. NULL until
-- the forge has named it.
ALTER TABLE connections ADD COLUMN repository_id INTEGER;
CREATE INDEX connections_repository_id ON connections (provider, repository_id);
