# shellcheck shell=bash disable=SC2034,SC2154 # variables shared between the files of the pack
# What of the module is built, and how.

# The same source has to give the same bytes: no paths, and no state of a repository that is not there.
configure_go() {
    export GOCACHE=$CACHE_DIR/built GOENV=off GOTELEMETRY=off
    export GOFLAGS="-trimpath -buildvcs=false -tags=${GO_BUILD_TAGS:-heroku} ${GOFLAGS:-}"
    LINKER=()
    if [[ -n ${GO_LINKER_SYMBOL:-} ]]; then
        LINKER=(-ldflags "-X $GO_LINKER_SYMBOL=${GO_LINKER_VALUE:-${SOURCE_VERSION:-}}")
    fi
}

# Sets PACKAGES: those that GO_INSTALL_PACKAGE_SPEC or a heroku comment names, otherwise every program of the module.
choose_packages() {
    local named
    # What the files of a folder import is kept by their times.
    renew_times .
    named=${GO_INSTALL_PACKAGE_SPEC:-$(sed -nE 's#^// \+heroku install +(.*)#\1#p' go.mod | head -1)}
    if [[ -n $named ]]; then
        read -ra PACKAGES <<< "$named"
        return
    fi
    quietly go list -f '{{if eq .Name "main"}}{{.ImportPath}}{{end}}' ./... || fail_go "The packages of the module could not be read."
    mapfile -t PACKAGES < <(grep -v '^go: ' "$STEP_LOG" | grep .)
    ((${#PACKAGES[@]} > 0)) || fail "There is no program in this module: no package is called main." \
        "" "Add one, for example in cmd/web/main.go; or name what to build in go.mod: \`// +heroku install ./cmd/web\`."
}

# Builds them into bin/, where Procfiles look for them.
build_packages() {
    mkdir -p bin "$DEBIAN/bin"
    detail "${PACKAGES[@]}"
    step go build -o "$DEBIAN/bin/" "${LINKER[@]}" "${PACKAGES[@]}" || fail_go "The app could not be built."
    mapfile -t PROGRAMS < <(find "$DEBIAN/bin" -type f -printf '%f\n' | sort)
    ((${#PROGRAMS[@]} > 0)) || fail "${PACKAGES[*]}: none of these packages is a program." \
        "" "A program's package is called main. Correct what \`// +heroku install\` in go.mod names."
    mv "$DEBIAN/bin"/* bin/
    detail "Built $(printf 'bin/%s ' "${PROGRAMS[@]}")"
    ((${#PROGRAMS[@]} != 1)) || echo "${PROGRAMS[0]}" > "$pack/program"
}

fail_go() {
    fail_step "$1" "The output above says why. If go.mod, go.sum or vendor/ do not agree with the code," \
        "run \`go mod tidy\` (and \`go mod vendor\`), commit what has changed and push again."
}

# run_hook pre|post: the app's own script around the build.
run_hook() {
    [[ -x bin/go-$1-compile ]] || return 0
    topic "Running bin/go-$1-compile"
    step "bin/go-$1-compile" || fail_step "bin/go-$1-compile failed." "The output above says why."
}

# leave_for_next_pack PACK
leave_for_next_pack() {
    echo "export PATH=\"$BUILD_DIR/bin:\$PATH\"" > "$1/export"
}
