# shellcheck shell=bash
# What each test has: a folder of its own as the current one, and these functions.

REPO=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck disable=SC2034 # for the tests
PACKS=(ruby nodejs clojure python java gradle scala php go rust static procfile)

# assemble PACK DEST: lays a pack out as hoist puts it into an environment, the shared library inside.
assemble() {
    mkdir -p "$2"
    cp -a "$REPO/buildpacks/$1/." "$2"
    cp -a "$REPO/buildpacks/lib" "$2/lib"
}

# expect ACTUAL EXPECTED
expect() {
    [[ $1 == "$2" ]] && return 0
    printf 'expected: %s\nbut got:  %s\n' "$2" "$1"
    return 1
}

# expect_in TEXT PART
expect_in() {
    [[ $1 == *"$2"* ]] && return 0
    printf 'expected to find: %s\nin: %s\n' "$2" "$1"
    return 1
}

# expect_failure COMMAND…: the command fails; its whole output is left in OUTPUT.
expect_failure() {
    local status=0
    OUTPUT=$("$@" 2>&1) || status=$?
    ((status != 0)) && return 0
    printf 'expected to fail, but did not: %s\n%s\n' "$*" "$OUTPUT"
    return 1
}
