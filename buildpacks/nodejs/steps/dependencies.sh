# shellcheck shell=bash disable=SC2034,SC2154 # variables shared between the files of the pack
# node_modules: filled from the lock file, kept between builds while the lock file stays the same.

# `CI`: nobody can answer questions. A copied store: hard links would let a build change the cache.
PNPM_INSTALL=(
    env CI=true pnpm install --frozen-lockfile
    --store-dir "$CACHE_DIR/downloads/pnpm" --package-import-method copy
)

# Fills node_modules, development dependencies included unless the app says otherwise: the build needs them.
install_dependencies() {
    export NODE_ENV=${NODE_ENV:-production}
    if [[ -d node_modules ]]; then
        rebuild_checked_in
        return
    fi
    if [[ -z $LOCK_FILE ]]; then
        warn "There is no lock file: other versions may be installed at each push." \
            "Run \`npm install\`, commit package-lock.json and push again."
        install_with_package_manager
        return
    fi
    local key
    key="$(node --version) $("$PACKAGE_MANAGER" --version) $(hash_of "$LOCK_FILE" .npmrc .yarnrc .yarnrc.yml) ${NPM_CONFIG_PRODUCTION:-} $NODE_ENV"
    # Whether package.json and the lock file agree is for the package manager to say.
    key+=" $(jq -cS 'del(.scripts, .version)' package.json | sha256sum)"
    if has_install_scripts || ! cache_restore "$CACHE_DIR" node_modules "$key" node_modules; then
        install_with_package_manager
    else
        detail "Nothing changed in $LOCK_FILE: using node_modules of the last build"
    fi
    # Apps without dependencies, and yarn's plug'n'play, have no node_modules.
    [[ ! -d node_modules ]] || cache_save "$CACHE_DIR" node_modules "$key" node_modules
}

# A package manager runs these of the app itself after installing, so it must not be skipped.
has_install_scripts() {
    [[ -n $(manifest '.scripts | (.preinstall, .install, .postinstall, .prepare) // empty') || -f pnpm-workspace.yaml || -n $(manifest .workspaces) ]]
}

rebuild_checked_in() {
    warn "node_modules is checked into git: it is used as it is." \
        "To have dependencies installed, run \`git rm -r --cached node_modules\`, add it to .gitignore and push again."
    if ! step npm rebuild; then
        fail_step "The checked-in node_modules could not be prepared." "The output above says which module failed."
    fi
}

install_with_package_manager() {
    local hint=("The output above says why.") command
    case $PACKAGE_MANAGER in
        npm)
            if [[ -n $LOCK_FILE ]]; then
                command=(npm ci "$(npm_scope)")
                hint=("If package.json and $LOCK_FILE do not agree, run \`npm install\`, commit $LOCK_FILE and push again.")
            else
                command=(npm install "$(npm_scope)")
            fi
            ;;
        yarn)
            command=(yarn install --immutable)
            [[ $(yarn --version) != 1.* ]] || command=(yarn install --frozen-lockfile --non-interactive "--production=$(production)")
            # Otherwise yarn keeps what it fetched inside the app, or in a home that is gone after the build.
            export YARN_CACHE_FOLDER=$CACHE_DIR/downloads/yarn YARN_ENABLE_GLOBAL_CACHE=false YARN_ENABLE_TELEMETRY=0
            hint=("If package.json and yarn.lock do not agree, run \`yarn install\`, commit yarn.lock and push again.")
            ;;
        pnpm)
            command=("${PNPM_INSTALL[@]}" "--prod=$(production)")
            hint=("If package.json and pnpm-lock.yaml do not agree, run \`pnpm install\`, commit pnpm-lock.yaml and push again.")
            ;;
    esac
    step "${command[@]}" || fail_step "The dependencies could not be installed." "${hint[@]}"
}

# Whether only the production dependencies are to be installed in the first place.
production() {
    if [[ ${NPM_CONFIG_PRODUCTION:-false} == true || ${YARN_PRODUCTION:-false} == true ]]; then echo true; else echo false; fi
}

npm_scope() {
    if [[ $(production) == true ]]; then echo --omit=dev; else echo --include=dev; fi
}

# Takes development dependencies out again, unless NPM_CONFIG_PRODUCTION or YARN_PRODUCTION is `false`.
prune_dependencies() {
    if [[ ${NPM_CONFIG_PRODUCTION:-} == false || ${YARN_PRODUCTION:-} == false ]]; then
        detail "Nothing: the config vars say so"
    elif [[ ! -d node_modules || $(production) == true ]]; then
        detail "Nothing to remove"
    elif ! prune; then
        fail_step "The development dependencies could not be removed." \
            "Set the config var NPM_CONFIG_PRODUCTION to \`false\` to keep them."
    fi
    # Caches of build tools, and notes with times in them: they would make each slug differ from the last.
    rm -rf node_modules/{.cache,.yarn-integrity,.modules.yaml,.pnpm-workspace-state*.json}
}

prune() {
    case $PACKAGE_MANAGER in
        npm) step npm prune --omit=dev --ignore-scripts ;;
        pnpm) step "${PNPM_INSTALL[@]}" --prod --ignore-scripts --prefer-offline ;;
        yarn)
            if [[ $(yarn --version) == 1.* ]]; then
                step yarn install --frozen-lockfile --non-interactive --ignore-scripts --production --prefer-offline
            else
                step yarn workspaces focus --all --production
            fi
            ;;
    esac
}
