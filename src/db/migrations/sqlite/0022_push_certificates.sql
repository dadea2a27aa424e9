-- The certificates of signed pushes (git push --signed) that were built. Written with the build, before it begins; what is
-- released of it carries it from then on.
CREATE TABLE push_certificates (
    build_id    TEXT PRIMARY KEY REFERENCES builds (id),
    -- Of the SSH key, which need not be anybody's any more.
    fingerprint TEXT NOT NULL,
    certificate BLOB NOT NULL
);
CREATE TRIGGER push_certificates_no_update BEFORE UPDATE ON push_certificates BEGIN SELECT RAISE (ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER push_certificates_no_delete BEFORE DELETE ON push_certificates BEGIN SELECT RAISE (ABORT, 'the ledger is append-only'); END;
