-- What a collaborator may do, as a list: `deploy,operate,view`. Who was one before keeps what every collaborator could do.
ALTER TABLE collaborators ADD COLUMN permissions TEXT NOT NULL DEFAULT 'deploy,operate,view';
-- When the permissions were set; NULL for who has never had others.
ALTER TABLE collaborators ADD COLUMN updated_at INTEGER;
