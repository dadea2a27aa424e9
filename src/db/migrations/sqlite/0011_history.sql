-- More of what has happened can't be told otherwise later. What is too old of it may still go.
CREATE TRIGGER events_no_update BEFORE UPDATE ON events BEGIN SELECT RAISE (ABORT, 'events are append-only'); END;
CREATE TRIGGER webhook_attempts_no_update BEFORE UPDATE ON webhook_attempts BEGIN SELECT RAISE (ABORT, 'attempts are append-only'); END;
CREATE TRIGGER app_setups_no_delete BEFORE DELETE ON app_setups BEGIN SELECT RAISE (ABORT, 'app setups are append-only'); END;
CREATE TRIGGER test_cases_no_update BEFORE UPDATE ON test_cases BEGIN SELECT RAISE (ABORT, 'test runs are append-only'); END;
CREATE TRIGGER test_cases_no_delete BEFORE DELETE ON test_cases BEGIN SELECT RAISE (ABORT, 'test runs are append-only'); END;

-- Whether a cache is any app's is asked after each build.
CREATE INDEX apps_cache ON apps (cache_digest) WHERE cache_digest IS NOT NULL;
