# shellcheck shell=bash disable=SC2034,SC2154 # variables shared between the files of the pack
# package.json and the lock file: what the app asks for.

# Ends the build early on what no package manager could make sense of.
check_manifest() {
    local error should='It should hold a JSON object: { … }.'
    if ! error=$(jq -e 'type == "object"' package.json 2>&1 > /dev/null); then
        fail "package.json cannot be read." \
            "" \
            "${error:-$should}" \
            "" \
            "Check it with \`node -p 'require(\"./package.json\")'\`, correct it and commit it."
    fi
}

# manifest FILTER: what a jq filter finds in package.json, or nothing.
manifest() {
    jq -r "(($1)?) // empty" package.json
}

# Sets PACKAGE_MANAGER (npm, yarn, pnpm), its LOCK_FILE ("" when there is none) and its version as PACKAGE_MANAGER_RANGE.
choose_package_manager() {
    local file found=()
    for file in package-lock.json npm-shrinkwrap.json yarn.lock pnpm-lock.yaml; do
        [[ ! -f $file ]] || found+=("$file")
    done
    # A shrinkwrap wins over a package-lock in npm itself.
    [[ ${found[*]} != "package-lock.json npm-shrinkwrap.json" ]] || found=(npm-shrinkwrap.json)
    if ((${#found[@]} > 1)); then
        fail "There are lock files of different package managers: ${found[*]}." \
            "" \
            "They can disagree on which versions to install. Keep the one of the package manager you use," \
            "remove the others with \`git rm\`, and push again."
    fi
    LOCK_FILE=${found[0]:-}
    case $LOCK_FILE in
        yarn.lock) PACKAGE_MANAGER=yarn ;;
        pnpm-lock.yaml) PACKAGE_MANAGER=pnpm ;;
        *) PACKAGE_MANAGER=npm ;;
    esac

    local asked
    asked=$(manifest .packageManager)
    if [[ $asked == "$PACKAGE_MANAGER"@* ]]; then
        # `pnpm@9.1.0+sha512.…`: the registry checks what it sends, so the hash is not needed.
        asked=${asked#*@}
        PACKAGE_MANAGER_RANGE=${asked%%+*}
    else
        PACKAGE_MANAGER_RANGE=$(manifest ".engines.$PACKAGE_MANAGER")
    fi
}
