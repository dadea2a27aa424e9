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
    sed -u 's/^/       /'
}

# Prints lines that should be noticed although the build goes on. On stderr, so that `$(…)` does not swallow them.
warn() {
    printf ' !     %s\n' "$@" >&2
}

# Ends the build: what happened, then what to do about it.
fail() {
    {
        echo
        printf ' !     %s\n' "$@"
        echo
    } >&2
    exit 1
}
