# shellcheck shell=bash disable=SC2034,SC2154 # variables shared between the files of the pack
# The app's programs.

check_lock_file() {
    [[ -f Cargo.lock ]] || fail "There is a Cargo.toml, but no Cargo.lock." \
        "" \
        "Without it, other versions would be built at each push. Run \`cargo generate-lockfile\`," \
        "commit Cargo.lock and push again."
}

# Builds into the cache, and puts the programs where Procfiles look for them: in target/release/.
build_programs() {
    local flags built=$CACHE_DIR/target/release
    export CARGO_HOME=$CACHE_DIR/cargo CARGO_TARGET_DIR=$CACHE_DIR/target CARGO_TERM_COLOR=never CARGO_INCREMENTAL=0
    export CARGO_HTTP_CAINFO=${CARGO_HTTP_CAINFO:-${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}}
    # What an earlier build has left may not be part of the app any more.
    list_programs "$built" | xargs -0 --no-run-if-empty rm
    read -ra flags <<< "${RUST_CARGO_BUILD_FLAGS:-}"
    renew_times .
    step cargo build --release --locked "${flags[@]}" || fail_step \
        "Cargo could not build the app." \
        "The output above says why. If Cargo.toml and Cargo.lock do not agree, run \`cargo check\`, commit Cargo.lock and push again."
    rm -rf target
    mkdir -p target/release
    list_programs "$built" | xargs -0 --no-run-if-empty cp --target-directory target/release
    mapfile -t PROGRAMS < <(find target/release -type f -printf '%f\n' | sort)
    ((${#PROGRAMS[@]} > 0)) || fail "There is no program in this package: nothing to run has been built." \
        "" "Add a src/main.rs, or name the package with one in the config var RUST_CARGO_BUILD_FLAGS: \`-p web\`."
    detail "Built $(printf 'target/release/%s ' "${PROGRAMS[@]}")"
    ((${#PROGRAMS[@]} != 1)) || echo "${PROGRAMS[0]}" > "$pack/program"
}

# list_programs DIR: each with a NUL behind it; libraries may be executable, too.
list_programs() {
    [[ ! -d $1 ]] || find "$1" -maxdepth 1 -type f -executable ! -name '*.so' -print0
}
