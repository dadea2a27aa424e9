-- Garbage collection asks of each old blob whether anything refers to it.
CREATE INDEX slugs_digest ON slugs (digest);
CREATE INDEX build_logs_digest ON build_logs (digest);
CREATE INDEX release_logs_digest ON release_logs (digest);
CREATE INDEX dyno_logs_digest ON dyno_logs (digest);
CREATE INDEX test_logs_digest ON test_logs (digest);
CREATE INDEX sources_digest ON sources (digest) WHERE digest IS NOT NULL;
