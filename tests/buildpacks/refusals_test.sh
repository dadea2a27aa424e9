# shellcheck shell=bash
# What ends a build before anything is installed. Nothing here needs a stack or the network.

# build PACK: compiles ./app with a pack.
build() {
    assemble "$1" "$1"
    mkdir -p cache env
    "$1/bin/compile" "$PWD/app" "$PWD/cache" "$PWD/env"
}

test_a_package_json_that_is_no_json() {
    mkdir app
    echo '{"name": }' > app/package.json
    expect_failure build nodejs
    expect_in "$OUTPUT" ' !     package.json cannot be read.'
    expect_in "$OUTPUT" 'line 1'
}

test_a_package_json_that_is_no_object() {
    mkdir app
    echo '[]' > app/package.json
    expect_failure build nodejs
    expect_in "$OUTPUT" 'It should hold a JSON object: { … }.'
}

test_two_lock_files() {
    mkdir app
    echo '{}' > app/package.json
    touch app/yarn.lock app/package-lock.json
    expect_failure build nodejs
    expect_in "$OUTPUT" 'different package managers: package-lock.json yarn.lock.'
}

test_the_package_manager_and_its_version() {
    # shellcheck source=/dev/null
    source "$REPO/buildpacks/lib/output.sh"
    # shellcheck source=/dev/null
    source "$REPO/buildpacks/nodejs/steps/manifest.sh"
    echo '{"packageManager": "pnpm@9.1.0+sha512.abc", "engines": {"yarn": "1.x"}}' > package.json
    choose_package_manager
    expect "$PACKAGE_MANAGER $LOCK_FILE" 'npm '
    touch pnpm-lock.yaml
    choose_package_manager
    expect "$PACKAGE_MANAGER $PACKAGE_MANAGER_RANGE" 'pnpm 9.1.0'
    mv pnpm-lock.yaml yarn.lock
    choose_package_manager
    expect "$PACKAGE_MANAGER $PACKAGE_MANAGER_RANGE" 'yarn 1.x'
}

test_python_without_a_lock_file() {
    mkdir app
    touch app/manage.py
    expect_failure build python
    expect_in "$OUTPUT" 'Add a requirements.txt'
    touch app/pyproject.toml
    expect_failure build python
    expect_in "$OUTPUT" 'There is a pyproject.toml, but no lock file.'
    touch app/Pipfile
    expect_failure build python
    expect_in "$OUTPUT" 'There is a Pipfile, but no Pipfile.lock.'
}

test_another_python_than_the_stacks() {
    mkdir app
    touch app/requirements.txt
    echo 3.2 > app/.python-version
    expect_failure build python
    expect_in "$OUTPUT" 'The app asks for Python 3.2 in .python-version, but this stack has Python 3.'
    rm app/.python-version
    echo python-3.2.1 > app/runtime.txt
    expect_failure build python
    expect_in "$OUTPUT" 'Change runtime.txt to "python-3.'
}

test_a_version_that_is_none() {
    mkdir app
    touch app/requirements.txt
    echo 'latest; rm -rf /' > app/.python-version
    expect_failure build python
    expect_in "$OUTPUT" '.python-version should hold a version of Python'
}

test_the_go_that_is_asked_for() {
    for file in output go/steps/version; do
        # shellcheck source=/dev/null
        source "$REPO/buildpacks/$([[ $file == */* ]] || echo lib/)$file.sh"
    done
    while IFS='|' read -r lines asked; do
        printf 'module x\n%b\n' "$lines" > go.mod
        read_go_version
        # shellcheck disable=SC2153 # set by read_go_version
        expect "$lines: $ASKED" "$lines: $asked"
    done << 'CASES'
|
go 1.21|1.21
go 1.21\ntoolchain go1.22.3|1.22.3
go 1.21\n\ntoolchain default|1.21
// +heroku goVersion go1.20\ngo 1.21|1.20
go 1.23rc1|1.23rc1
CASES
    GOVERSION=go1.19 read_go_version
    expect "$ASKED of $ASKED_BY" '1.19 of the config var GOVERSION'
}

test_go_keeps_modules_where_they_can_be_dropped() {
    # shellcheck source=/dev/null
    source "$REPO/buildpacks/go/steps/version.sh"
    # shellcheck disable=SC2034 # for choose_toolchain
    CACHE_DIR=$PWD ASKED=
    # shellcheck disable=SC2317 # choose_toolchain calls it
    go() {
        echo "$GOFLAGS" > "$CACHE_DIR/flags"
        echo go1.19.8
    }
    GOFLAGS=-v choose_toolchain
    expect "$(cat flags)" '-modcacherw -v'
}

test_a_go_that_is_none() {
    mkdir app
    echo 'go latest' > app/go.mod
    expect_failure build go
    expect_in "$OUTPUT" 'go.mod asks for Go "latest", which is no version of Go.'
}

test_a_composer_json_without_its_lock_file() {
    mkdir app
    echo '{"require": {"php": ">=8.0", "monolog/monolog": "^3"}}' > app/composer.json
    expect_failure build php
    expect_in "$OUTPUT" 'There is a composer.json, but no composer.lock.'
    echo '{' > app/composer.lock
    expect_failure build php
    expect_in "$OUTPUT" 'composer.lock cannot be read.'
}

test_the_extensions_that_composer_names() {
    # shellcheck source=/dev/null
    source "$REPO/buildpacks/php/steps/manifest.sh"
    echo '{"require": {"php": ">=8.0", "ext-pdo_mysql": "*"}}' > composer.json
    echo '{"packages": [{"name": "a/b", "require": {"ext-intl": "*", "c/d": "^1"}}, {"name": "c/d"}]}' > composer.lock
    expect "$(required_extensions)" $'intl\npdo-mysql'
}

test_the_rust_that_is_asked_for() {
    for file in lib/output rust/steps/toolchain; do
        # shellcheck source=/dev/null
        source "$REPO/buildpacks/$file.sh"
    done
    read_channel
    expect "$CHANNEL" ''
    printf '[toolchain]\nchannel = "1.80.1" # why\ncomponents = ["clippy"]\n' > rust-toolchain.toml
    read_channel
    expect "$CHANNEL in $CHANNEL_FILE" '1.80.1 in rust-toolchain.toml'
    echo nightly-2025-01-01 > rust-toolchain
    read_channel
    expect "$CHANNEL in $CHANNEL_FILE" 'nightly-2025-01-01 in rust-toolchain'
}

test_a_rust_that_is_none() {
    mkdir app
    touch app/Cargo.toml
    expect_failure build rust
    expect_in "$OUTPUT" 'There is a Cargo.toml, but no Cargo.lock.'
    touch app/Cargo.lock
    echo '1.80; rm -rf /' > app/rust-toolchain
    expect_failure build rust
    expect_in "$OUTPUT" 'rust-toolchain asks for Rust "1.80;rm-rf/", which is no release channel.'
}

test_clojure_without_a_project() {
    mkdir app
    echo '{}' > app/deps.edn
    expect_failure build clojure
    expect_in "$OUTPUT" 'There is a deps.edn, but no project.clj.'
}

test_a_maven_repository_that_is_not_known() {
    mkdir app
    touch app/{pom.xml,project.clj,build.sbt}
    echo 'maven.repository=elsewhere' > app/system.properties
    for pack in java clojure scala; do
        expect_failure build "$pack"
        expect_in "$OUTPUT" 'maven.repository in system.properties, "elsewhere", is not known.'
        # Nothing comes after it.
        expect "${OUTPUT##*$'\n'}" " !     It can be \"debian\"; without it, Maven's own repositories are used."
        rm -r "$pack"
    done
}

test_scala_without_a_version_of_sbt() {
    mkdir -p app/project
    touch app/build.sbt
    expect_failure build scala
    expect_in "$OUTPUT" 'No version of sbt is asked for in project/build.properties.'
    echo 'sbt.version=0.13.18' > app/project/build.properties
    expect_failure build scala
    expect_in "$OUTPUT" '"0.13.18", is no version of sbt that is supported.'
}

test_a_procfile_without_processes() {
    mkdir app
    printf '# web: nothing\n\n' > app/Procfile
    expect_failure build procfile
    expect_in "$OUTPUT" 'The Procfile declares no process.'
    echo 'worker: ./run' > app/Procfile
    build procfile
}

test_a_static_json_that_is_wrong() {
    mkdir app
    touch app/index.html
    while IFS='|' read -r text why; do
        echo "$text" > app/static.json
        expect_failure build static
        expect_in "$OUTPUT" "$why"
    done << 'CASES'
{"root": |it is not valid JSON
[]|it should hold a JSON object
{"root": "../.."}|`root` leads out of the app
{"root": "dist"}|there is no folder dist
{"clean_urls": "yes"}|`clean_urls` should be true or false
{"redirects": {"/a": {"url": "/b", "status": 200}}}|should be 301
{"redirects": {"/a": {"url": "/b\r\nX: y"}}}|cannot be a header's value
{"headers": {"/**": {"a b": "c"}}}|not a header's
CASES
}
