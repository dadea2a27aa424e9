# shellcheck shell=bash
# The packs against the fixture apps, inside a stack's roots. Needs the network for npm's and Python's packages.

# shellcheck source=/dev/null
source "$REPO/tests/buildpacks/in-stack.sh"

# builds APP COMMAND PATH PAGE PACK…: the app compiles, serves the page, and compiles to the same bytes from its cache.
builds() {
    local app=$REPO/fixtures/apps/$1 command=$2 path=$3 page=$4 first
    shift 4
    prepare_work "$PWD" "$app"
    compile "$PWD" "$@"
    expect_in "$(fetch "$PWD" "$command" "$path")" "$page"
    first=$(slug_digest "$PWD")
    prepare_work "$PWD" "$app"
    compile "$PWD" "$@"
    expect "$(slug_digest "$PWD")" "$first"
    rm -rf cache
    prepare_work "$PWD" "$app"
    compile "$PWD" "$@"
    expect "$(slug_digest "$PWD")" "$first"
    # The build's folder is gone at run time.
    expect "$(grep -rlI build_0123abcd slug || true)" ''
}

# refuses APP PACK TEXT: compiling ./APP fails and says so.
refuses() {
    prepare_work "$PWD/work" "$PWD/$1"
    expect_failure compile "$PWD/work" "$2"
    expect_in "$OUTPUT" "$3"
}

test_nodejs_express() {
    builds nodejs-express 'npm start' / 'Hello from Express, built' nodejs
    [[ -d slug/node_modules/express && ! -e slug/node_modules/is-number ]]
    expect "$(cat release.yml)" $'default_process_types:\n  web: npm start'
}

test_python_flask() {
    builds python-flask 'gunicorn app:app' / 'Hello from Flask' python
}

test_ruby_rack() {
    builds ruby-rack 'bundle exec tinyrack' / 'Hello from Ruby 3' ruby
}

test_static_site() {
    builds static-site 'python3 .heroku/static/serve.py' /about 'About this site' static
}

test_procfile_only() {
    # shellcheck disable=SC2016 # for the shell in the stack
    builds procfile-only 'python3 -m http.server $PORT' /hello.html 'Hello from a Procfile' procfile
}

test_two_buildpacks() {
    builds two-buildpacks 'python server.py' / 'Served by Python: BuiltByNode' nodejs python
}

test_nodejs_lock_file_that_disagrees() {
    cp -a "$REPO/fixtures/apps/nodejs-express" app
    sed -i 's/4.21.2/4.21.1/' app/package.json
    refuses app nodejs 'If package.json and package-lock.json do not agree'
}

test_nodejs_version_that_is_none() {
    cp -a "$REPO/fixtures/apps/nodejs-express" app
    sed -i 's/">=18"/"newest please"/' app/package.json
    refuses app nodejs 'engines.node in package.json, "newest please", is not a version'
}

test_nodejs_version_that_does_not_exist() {
    cp -a "$REPO/fixtures/apps/nodejs-express" app
    sed -i 's/">=18"/"0.0.1"/' app/package.json
    refuses app nodejs 'Node.js 0.0.1 could not be installed; the stack has v18'
}

test_nodejs_version_beside_the_stacks() {
    cp -a "$REPO/fixtures/apps/nodejs-express" app
    sed -i 's/">=18"/"22.x"/' app/package.json app/package-lock.json
    prepare_work "$PWD/work" "$PWD/app"
    expect_in "$(compile "$PWD/work" nodejs)" 'Node.js v22.'
    expect_in "$(fetch "$PWD/work" 'npm start' /)" 'Hello from Express'
}

test_nodejs_script_that_fails() {
    cp -a "$REPO/fixtures/apps/nodejs-express" app
    echo 'process.exit(3)' > app/build.js
    refuses app nodejs 'The script "build" of package.json failed.'
}

test_python_package_that_does_not_exist() {
    cp -a "$REPO/fixtures/apps/python-flask" app
    echo 'flask==0.0.0.1' > app/requirements.txt
    refuses app python 'The packages of requirements.txt could not be installed.'
}

test_ruby_without_a_lock_file() {
    cp -a "$REPO/fixtures/apps/ruby-rack" app
    rm app/Gemfile.lock
    refuses app ruby 'There is a Gemfile, but no Gemfile.lock.'
}

test_ruby_of_another_version() {
    cp -a "$REPO/fixtures/apps/ruby-rack" app
    sed -i "s/^ruby .*/ruby '3.4.1'/" app/Gemfile
    refuses app ruby 'your Gemfile specified 3.4.1'
}
