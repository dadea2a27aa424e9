# shellcheck shell=bash
# What the pusher reads: headings, details, warnings, and failures that say what to do.

# Begins a section.
topic() {
    echo "-----> $*"
}

# Prints details below the section's heading.
detail() {
    printf '       %s\n' "$@"
}

# Moves a command's output below the section's heading, line by line as it comes.
indent() {
    sed -u 's/^./       &/'
}

# Prints lines that should be noticed although the build goes on. On stderr, so that `$(…)` does not swallow them.
warn() {
    printf '%s\n' "$@" | flag >&2
}

# With this status, everything has been said already.
EXPLAINED=10

# Ends the build: what happened, then what to do about it.
fail() {
    {
        echo
        printf '%s\n' "$@" | flag
        echo
    } >&2
    exit "$EXPLAINED"
}

# A command that fails where no failure was expected: better a bare line than silence.
unexpected() {
    local status=$?
    ((status == EXPLAINED)) || echo "The buildpack failed unexpectedly (status $status) in ${BASH_SOURCE[1]##*/}, line $1." | flag >&2
}
set -o errtrace
trap 'unexpected "$LINENO"' ERR

flag() {
    sed -u 's/^/ !     /; s/ *$//'
}
