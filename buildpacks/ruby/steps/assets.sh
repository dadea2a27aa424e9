# shellcheck shell=bash disable=SC2034,SC2154 # variables shared between the files of the pack
# The asset pipeline of Rails and its like.

# Runs assets:precompile if the app has that task.
precompile_assets() {
    [[ -f Rakefile ]] || return 0
    # What Rails needs to load without the real ones; values that are set win.
    local env=(SECRET_KEY_BASE_DUMMY=1 "DATABASE_URL=${DATABASE_URL:-postgresql://user:pass@127.0.0.1/dbname}")
    if ! env "${env[@]}" bundle exec rake --prereqs > "$STEP_LOG" 2>&1 < /dev/null; then
        warn "The Rakefile could not be loaded, so its assets:precompile, if any, was not run:"
        indent < "$STEP_LOG"
        return 0
    fi
    grep -qx 'rake assets:precompile' "$STEP_LOG" || return 0
    topic "Precompiling assets"
    step env "${env[@]}" bundle exec rake assets:precompile || fail_step "The assets could not be precompiled." \
        "The output above says why. Try it at home with \`RAILS_ENV=production bundle exec rake assets:precompile\`."
}
