# shellcheck shell=bash
# MEMORY_AVAILABLE: how much memory the process may use, in MiB; not set where there is no limit. Named to be sourced first.
for limit in "${CGROUP_ROOT:-/sys/fs/cgroup}/memory.max" "${CGROUP_ROOT:-/sys/fs/cgroup}/memory/memory.limit_in_bytes"; do
    # Without a limit, version 1 of cgroups names a number beyond any memory.
    if [ -z "${MEMORY_AVAILABLE:-}" ] && [ -r "$limit" ] && read -r bytes < "$limit" && [ "$bytes" != max ] && [ "${#bytes}" -lt 13 ]; then
        export MEMORY_AVAILABLE=$((bytes / 1048576))
    fi
done
unset limit bytes
