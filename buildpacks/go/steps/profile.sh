# shellcheck shell=bash
export PATH="$HOME/bin:$PATH"
# The collector should work harder rather than have the process killed; a tenth is for what it does not count.
if [ -n "${MEMORY_AVAILABLE:-}" ]; then
    export GOMEMLIMIT="${GOMEMLIMIT:-$((MEMORY_AVAILABLE * 9 / 10))MiB}"
fi
