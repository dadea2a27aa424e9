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

# Ends the build: what happened, then what to do about it.
fail() {
    {
        echo
        printf '%s\n' "$@" | flag
        echo
    } >&2
    exit 1
}

# A command that fails where no failure was expected: better a bare line than silence.
set -o errtrace
trap 'echo " !     Unexpected failure (status $?) in ${BASH_SOURCE[0]##*/}, line $LINENO: this is a fault of the buildpack." >&2' ERR

flag() {
    sed -u 's/^/ !     /; s/ *$//'
}
