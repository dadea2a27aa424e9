-- Which folder of the source an app is built from; NULL for all of it.
ALTER TABLE apps ADD COLUMN root TEXT;
