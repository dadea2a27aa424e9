# shellcheck shell=bash
# How many processes a web server should start: as many as fit into the memory, WEB_MEMORY MiB each.
if [ -z "${WEB_CONCURRENCY:-}" ]; then
    WEB_CONCURRENCY=$((${MEMORY_AVAILABLE:-0} / ${WEB_MEMORY:-512}))
    [ "$WEB_CONCURRENCY" -ge 1 ] || WEB_CONCURRENCY=1
fi
export WEB_CONCURRENCY
