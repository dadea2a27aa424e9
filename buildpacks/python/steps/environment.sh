# shellcheck shell=bash disable=SC2034,SC2154 # variables shared between the files of the pack
# The virtual environment in the slug, at .heroku/python.
#
# Scripts in a virtual environment carry its absolute path, and at run time that is /app/.heroku/python. A link from
# there to the build folder lets the environment be made, and used while building, under that very path.

VENV=/app/.heroku/python

# Makes an empty environment, or takes the last build's when the lock file is the same.
make_environment() {
    ENVIRONMENT_KEY="$(python3 --version) $PACKAGE_MANAGER $(hash_of "$LOCK_FILE" "$pack"/steps/*.sh)"
    rm -rf .heroku/python
    mkdir -p .heroku
    link_to_run_time_path
    if cache_restore "$CACHE_DIR" environment "$ENVIRONMENT_KEY" .heroku/python; then
        detail "Nothing changed in $LOCK_FILE: starting from the last build's packages"
        return
    fi
    mkdir .heroku/python
    quietly python3 -m venv --without-pip "$VENV" || fail_step "The virtual environment could not be made."
    # They carry the build's path and nothing in the slug needs them.
    rm -f .heroku/python/bin/{activate*,Activate*}
    sed -i '/^command = /d' .heroku/python/pyvenv.cfg
}

link_to_run_time_path() {
    [[ $BUILD_DIR != /app ]] || return 0
    # `venv` refuses to work in a link, but not below one.
    ln -sfnT "$BUILD_DIR/.heroku" "$(dirname "$VENV")" || fail "/app/.heroku could not be linked to the build folder."
}

# Makes the environment the same however and whenever it was filled, then keeps it.
finish_environment() {
    local site
    site=$(echo "$VENV"/lib/python3.*/site-packages)
    # The app's own packages, installed in place, point to where the app is.
    find "$site" \( -name '*.pth' -o -name '*.egg-link' -o -name '__editable__*' -o -name direct_url.json \) \
        -exec sed -i "s#$BUILD_DIR#/app#g" {} +
    find "$VENV/" -name __pycache__ -prune -exec rm -r {} +
    # By hash, not by time: the bytes depend on the sources alone, and need no checking at run time.
    PYTHONHASHSEED=0 quietly "$VENV/bin/python" -m compileall -q --invalidation-mode unchecked-hash "$site" ||
        detail "Some packages hold files that are not for this Python; they stay uncompiled"
    cache_save "$CACHE_DIR" environment "$ENVIRONMENT_KEY" .heroku/python
}

# leave_for_next_pack PACK
leave_for_next_pack() {
    cat > "$1/export" << EXPORT
export PATH="$VENV/bin:\$PATH" PYTHONUNBUFFERED=1
EXPORT
}
