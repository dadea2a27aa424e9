-- They are nobody's, and go with the garbage.
UPDATE apps SET cache_digest = NULL WHERE destroyed_at IS NOT NULL;
