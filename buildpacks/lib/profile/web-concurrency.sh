# shellcheck shell=bash
# How many processes a web server should start: as many as fit into the memory, WEB_MEMORY MiB each.
if [ -z "${WEB_CONCURRENCY:-}" ]; then
    WEB_CONCURRENCY=1
    for limit in /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes; do
        if [ -r "$limit" ] && read -r bytes < "$limit" && [ "$bytes" != max ] && [ "${#bytes}" -lt 13 ]; then
            WEB_CONCURRENCY=$((bytes / 1048576 / ${WEB_MEMORY:-512}))
            [ "$WEB_CONCURRENCY" -ge 1 ] || WEB_CONCURRENCY=1
            break
        fi
    done
    unset limit bytes
fi
export WEB_CONCURRENCY
