# shellcheck shell=bash disable=SC2034,SC2154 # variables shared between the files of the pack
# Ruby itself, and the gems of Gemfile.lock in vendor/bundle.

# Has Bundler install exactly what the lock file says, into the slug.
configure_bundler() {
    command -v bundle > /dev/null || fail "This stack has no Ruby." "" "Use a stack that has one, such as debian-12."
    if [[ ! -f Gemfile.lock ]]; then
        fail "There is a Gemfile, but no Gemfile.lock." \
            "" \
            "Without it, other versions would be installed at each push. Run \`bundle install\`," \
            "commit Gemfile.lock and push again."
    fi
    # A configuration made on a developer's machine has paths and groups of that machine.
    rm -f .bundle/config
    export RACK_ENV=${RACK_ENV:-production} RAILS_ENV=${RAILS_ENV:-production}
    export BUNDLE_DEPLOYMENT=true BUNDLE_PATH=vendor/bundle BUNDLE_WITHOUT=${BUNDLE_WITHOUT:-development:test}
    export BUNDLE_IGNORE_MESSAGES=true BUNDLE_SILENCE_ROOT_WARNING=true
    # Whatever BUNDLED WITH says: the stack's own, rather than fetching another and starting it in its place.
    BUNDLER_VERSION=$(ruby -e 'require "bundler/version"; puts Bundler::VERSION')
    export BUNDLER_VERSION
}

check_ruby_version() {
    local have problem
    have=$(ruby -e 'puts RUBY_VERSION')
    if ! problem=$(ruby -rbundler -e 'begin; Bundler.definition.validate_ruby!; rescue Bundler::RubyVersionMismatch => e; abort e.message; end' 2>&1); then
        fail "The Gemfile cannot be used with this stack's Ruby $have." \
            "" \
            "${problem//$'\n'/ }" \
            "" \
            "If it is the version of Ruby: allow $have in the Gemfile, for example \`ruby \"~> ${have%.*}.0\"\`," \
            "run \`bundle update --ruby\`, commit both files and push again; or set a stack with the Ruby you need."
    fi
    detail "Ruby $have of the stack, Bundler $BUNDLER_VERSION"
}

# Installs what vendor/cache holds without the network, everything else from its source.
install_gems() {
    local key
    # Compiled gems fit one Ruby only. Whatever else changed, Bundler sees to.
    key=$(ruby -e 'puts RUBY_DESCRIPTION')
    ! cache_restore "$CACHE_DIR" bundle "$key" vendor/bundle || detail "Starting from the last build's gems"
    if compgen -G 'vendor/cache/*.gem' > /dev/null && quietly bundle install --local --jobs 4; then
        detail "From vendor/cache"
    elif ! step bundle install --jobs 4 --retry 3; then
        fail_step "The gems of Gemfile.lock could not be installed." \
            "If Gemfile and Gemfile.lock do not agree, run \`bundle install\`, commit Gemfile.lock and push again." \
            "If the lock file was made on another platform, run \`bundle lock --add-platform x86_64-linux\`."
    fi
    quietly bundle clean || fail_step "Gems that are no longer used could not be removed."
    # Logs of compiling, with times and paths in them, and the archives that the gems were unpacked from.
    rm -rf vendor/bundle/ruby/*/cache
    find vendor/bundle \( -name gem_make.out -o -name mkmf.log \) -delete 2> /dev/null || true
    detail "Gems in place: $(count_gems)"
    [[ ! -d vendor/bundle ]] || cache_save "$CACHE_DIR" bundle "$key" vendor/bundle
}

count_gems() {
    bundle list --name-only 2> /dev/null | wc -l
}

# Bundler must not ask for the groups that were not installed.
leave_groups_for_run_time() {
    echo "export BUNDLE_WITHOUT=\"\${BUNDLE_WITHOUT:-$BUNDLE_WITHOUT}\"" >> .profile.d/ruby.sh
}

# leave_for_next_pack PACK
leave_for_next_pack() {
    cat > "$1/export" << EXPORT
export PATH="$BUILD_DIR/bin:\$PATH" BUNDLE_GEMFILE="$BUILD_DIR/Gemfile" BUNDLE_PATH="$BUILD_DIR/vendor/bundle"
export BUNDLE_DEPLOYMENT=true BUNDLE_WITHOUT="$BUNDLE_WITHOUT" BUNDLER_VERSION="$BUNDLER_VERSION"
EXPORT
}
