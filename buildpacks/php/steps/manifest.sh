# shellcheck shell=bash
# composer.json and composer.lock: what the app asks for.

# Ends the build early on what Composer could make no sense of, and on what it would decide anew at each push.
check_manifest() {
    local file error packages should='It should hold a JSON object: { … }.'
    [[ -f composer.json ]] || return 0
    for file in composer.json composer.lock; do
        [[ -f $file ]] || continue
        error=$(jq -e 'type == "object"' "$file" 2>&1 > /dev/null) ||
            fail "$file cannot be read." "" "${error:-$should}" "" "Check it with \`composer validate\`, correct it and commit it."
    done
    packages=$(required | grep -vE '^(php(-64bit)?|ext-.*)$') || true
    if [[ ! -f composer.lock && -n $packages ]]; then
        fail "There is a composer.json, but no composer.lock." \
            "" \
            "Without it, other versions would be installed at each push. Run \`composer update\`," \
            "commit composer.lock and push again."
    fi
}

# Names everything that the app and its locked packages need to run, one a line.
required() {
    jq -r '.require // {} | keys[]' composer.json
    [[ ! -f composer.lock ]] || jq -r '(.packages // [])[] | .require // {} | keys[]' composer.lock
}

# Names the extensions, as Debian spells them in the names of packages.
required_extensions() {
    [[ ! -f composer.json ]] || required | sed -n 's/^ext-//p' | tr '_' '-' | tr '[:upper:]' '[:lower:]' | sort -u
}
