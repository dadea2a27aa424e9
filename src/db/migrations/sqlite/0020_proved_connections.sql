-- Whether somebody who deploys here has shown that they may read the repository: only then does the GitHub App act for it. Of
-- the connections that there are nothing is known.
ALTER TABLE connections ADD COLUMN is_proved INTEGER NOT NULL DEFAULT FALSE;
