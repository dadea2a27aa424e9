# shellcheck shell=bash disable=SC2034,SC2154 # variables shared between the files of the pack
# Node.js and the package managers. What the stack lacks goes into the slug, at .heroku/node.

# The npm that apps get unless they ask for another: the newest that runs on the stack's Node.js.
DEFAULT_NPM=10.9.9
DEFAULT_YARN=1.22.22
DEFAULT_PNPM=9.15.9

# Puts node, npm and the app's package manager in place and on the PATH.
install_runtime() {
    local home=.heroku/node range stack_node key
    command -v node > /dev/null || fail "This stack has no Node.js." "" "Use a stack that has one, such as debian-12."
    stack_node=$(node --version)
    range=$(manifest .engines.node)
    check_range "$range"

    key="$stack_node node=$range npm=$(manifest .engines.npm) $PACKAGE_MANAGER=$PACKAGE_MANAGER_RANGE $(hash_of "$pack/steps/runtime.sh")"
    export npm_config_cache=$CACHE_DIR/downloads
    export npm_config_audit=false npm_config_fund=false npm_config_update_notifier=false npm_config_progress=false
    if ! cache_restore "$CACHE_DIR" runtime "$key" "$home"; then
        rm -rf "$home"
        mkdir -p "$home/bin"
        install_node "$range"
        install_package_managers
    fi
    cache_save "$CACHE_DIR" runtime "$key" "$home"
    export PATH=$BUILD_DIR/$home/bin:$BUILD_DIR/node_modules/.bin:$PATH
    describe_node "$range"
    detail "$PACKAGE_MANAGER $("$PACKAGE_MANAGER" --version)"
}

# semver EXPRESSION ARGUMENTS…: asks npm's own rules of versions; arguments are `process.argv[1…]`.
semver() {
    local npm
    npm=$(dirname "$(dirname "$(readlink -f "$(command -v npm)")")")
    node -p "const semver = require(require.resolve('semver', { paths: ['$npm', '/usr/share/nodejs'] })); $1" "${@:2}"
}

check_range() {
    [[ -z $1 || $(semver 'semver.validRange(process.argv[1]) !== null' "$1") == true ]] || fail \
        "engines.node in package.json, \"$1\", is not a version or a range of versions." \
        "" \
        "Write it as npm does, for example \"20.x\" or \">=18\"."
}

# install_node RANGE: into the slug, unless the stack's will do.
install_node() {
    local range=$1 machine
    [[ -n $range && $(semver 'semver.satisfies(process.version, process.argv[1])' "$range") != true ]] || return 0
    case $(uname -m) in
        x86_64) machine=x64 ;;
        aarch64) machine=arm64 ;;
        *) fail "There is no Node.js package for $(uname -m), and the stack has $(node --version) only." ;;
    esac
    # The registry's `node` package is an installer of these, which hold the official binaries.
    local package=node-linux-$machine scratch=$BUILD_DIR/.heroku/node-download
    if ! quietly npm install --global --prefix "$scratch" "$package@$range"; then
        fail_step "Node.js $range could not be installed; the stack has $(node --version)." \
            "Check engines.node in package.json: https://nodejs.org/en/about/previous-releases lists the versions" \
            "there are. To use the stack's, ask for \"18.x\" or leave engines.node out."
    fi
    mv "$scratch/lib/node_modules/$package/bin/node" .heroku/node/bin/node
    rm -rf "$scratch"
}

install_package_managers() {
    local npm_range packages
    npm_range=$(manifest .engines.npm)
    # The stack's npm is for building only: the app needs one of its own for `npm start`.
    packages=("npm@${npm_range:-$DEFAULT_NPM}")
    case $PACKAGE_MANAGER in
        yarn) packages+=("$(yarn_package)") ;;
        pnpm) packages+=("pnpm@${PACKAGE_MANAGER_RANGE:-$DEFAULT_PNPM}") ;;
    esac
    if ! quietly npm install --global --prefix .heroku/node "${packages[@]}"; then
        fail_step "${packages[*]} could not be installed." \
            "Check engines and packageManager in package.json: is there such a version?"
    fi
}

# From version 2, yarn comes as another package. Apps that carry theirs in .yarn/releases start it through any yarn.
yarn_package() {
    local range=${PACKAGE_MANAGER_RANGE:-$DEFAULT_YARN}
    if [[ $(semver 'semver.subset(process.argv[1], ">=2.0.0-0")' "$range") == true ]]; then
        echo "@yarnpkg/cli-dist@$range"
    else
        echo "yarn@$range"
    fi
}

describe_node() {
    local asked="engines.node: $1"
    [[ -n $1 ]] || asked="no engines.node in package.json"
    if [[ -x .heroku/node/bin/node ]]; then
        detail "Node.js $(node --version) ($asked)"
    else
        detail "Node.js $(node --version) of the stack ($asked)"
    fi
}
