-- What refs were until lately: what it leads to is kept, although nothing else may lead there any more. Whoever has fetched a
-- ref may push on from there, and a branch that was deleted by mistake can be made again. Written here, however a ref moves.
CREATE TABLE past_refs (
    app_id    TEXT NOT NULL REFERENCES apps (id),
    commit_id TEXT NOT NULL,
    -- When a ref was that last.
    moved_at  INTEGER NOT NULL,
    PRIMARY KEY (app_id, commit_id)
);
CREATE INDEX past_refs_moved_at ON past_refs (moved_at, app_id);
CREATE TRIGGER refs_moved AFTER UPDATE OF commit_id ON refs WHEN OLD.commit_id <> NEW.commit_id BEGIN
    INSERT INTO past_refs (app_id, commit_id, moved_at)
    VALUES (OLD.app_id, OLD.commit_id, CAST (unixepoch ('subsec') * 1000 AS INTEGER))
    ON CONFLICT (app_id, commit_id) DO UPDATE SET moved_at = excluded.moved_at;
END;
CREATE TRIGGER refs_deleted AFTER DELETE ON refs BEGIN
    INSERT INTO past_refs (app_id, commit_id, moved_at)
    VALUES (OLD.app_id, OLD.commit_id, CAST (unixepoch ('subsec') * 1000 AS INTEGER))
    ON CONFLICT (app_id, commit_id) DO UPDATE SET moved_at = excluded.moved_at;
END;

-- Files of packs that are to be removed: others have taken their place, or they were to take the place of others and it did not
-- come to that. A pack that is recorded is none of them.
CREATE TABLE old_packs (
    app_id TEXT NOT NULL REFERENCES apps (id),
    name   TEXT NOT NULL,
    PRIMARY KEY (app_id, name)
);
CREATE TRIGGER packs_recorded AFTER INSERT ON packs BEGIN
    DELETE FROM old_packs WHERE app_id = NEW.app_id AND name = NEW.name;
END;
