# shellcheck shell=bash disable=SC2034,SC2154 # variables shared between the files of the pack
# The app's own scripts, and what is left for after the build.

# run_script NAME: runs a script of package.json if there is one.
run_script() {
    [[ -n $(manifest ".scripts[\"$1\"]") ]] || return 0
    detail "Running $1"
    step "$PACKAGE_MANAGER" run "$1" || fail_step "The script \"$1\" of package.json failed." \
        "The output above says why. Try it at home with \`NODE_ENV=production $PACKAGE_MANAGER run $1\`."
}

# Runs heroku-postbuild, or else build.
build() {
    if [[ -n $(manifest '.scripts["heroku-postbuild"]') ]]; then
        run_script heroku-postbuild
    elif [[ -n $(manifest .scripts.build) ]]; then
        run_script build
    else
        detail "package.json has neither a build nor a heroku-postbuild script"
    fi
}

# leave_for_next_pack PACK
leave_for_next_pack() {
    cat > "$1/export" << EXPORT
export PATH="$BUILD_DIR/.heroku/node/bin:$BUILD_DIR/node_modules/.bin:\$PATH"
EXPORT
}
