# shellcheck shell=bash disable=SC2153 # PACKS comes from the harness
# bin/detect and bin/release of every pack.

# detected FILE…: which packs apply to an app with just these (empty) files.
detected() {
    local file pack names=()
    rm -rf app
    mkdir app
    for file in "$@"; do
        mkdir -p "app/$(dirname "$file")"
        touch "app/$file"
    done
    for pack in "${PACKS[@]}"; do
        [[ -d $pack ]] || assemble "$pack" "$pack"
        ! "$pack/bin/detect" app > /dev/null 2>&1 || names+=("$pack")
    done
    echo "${names[*]}"
}

test_packs_apply_to_what_they_build() {
    expect "$(detected)" ''
    expect "$(detected README)" ''
    expect "$(detected Procfile)" procfile
    expect "$(detected index.html)" static
    expect "$(detected public/index.html Procfile)" 'static procfile'
    expect "$(detected package.json Procfile)" nodejs
    expect "$(detected package.json public/index.html)" nodejs
    expect "$(detected package.json static.json)" 'nodejs static'
    expect "$(detected Gemfile Gemfile.lock package.json)" 'ruby nodejs'
    for file in requirements.txt Pipfile poetry.lock uv.lock pyproject.toml setup.py manage.py .python-version; do
        expect "$(detected "$file")" python
    done
    expect "$(detected project.clj Procfile)" clojure
    expect "$(detected deps.edn pom.xml public/index.html)" 'clojure java'
    expect "$(detected pom.xml Procfile public/index.html)" java
    for file in gradlew build.gradle build.gradle.kts settings.gradle settings.gradle.kts; do
        expect "$(detected "$file" Procfile)" gradle
    done
    expect "$(detected build.sbt Procfile)" scala
    expect "$(detected project/build.properties)" scala
    expect "$(detected index.php index.html)" php
    expect "$(detected composer.json package.json)" 'nodejs php'
    expect "$(detected go.mod Procfile index.html)" go
    expect "$(detected Cargo.toml static.json)" 'rust static'
}

test_each_fixture_is_told_apart() {
    while read -r app packs; do
        local pack names=()
        for pack in "${PACKS[@]}"; do
            [[ -d $pack ]] || assemble "$pack" "$pack"
            ! "$pack/bin/detect" "$REPO/fixtures/apps/$app" > /dev/null 2>&1 || names+=("$pack")
        done
        expect "$app ${names[*]}" "$app $packs"
    done << 'APPS'
clojure-lein clojure
go-http go
java-gradle gradle
java-maven java
php-page php
nodejs-express nodejs
procfile-only procfile
python-django python
python-flask python
ruby-assets ruby
ruby-rack ruby
rust-http rust
scala-web scala
static-site static
two-buildpacks nodejs python
APPS
}

test_a_refusal_says_what_is_missing() {
    mkdir app
    for pack in "${PACKS[@]}"; do
        assemble "$pack" "$pack"
        expect_failure "$pack/bin/detect" app
        expect_in "$OUTPUT" 'There is n'
    done
}

test_display_names() {
    expect_in "$(cd "$REPO/buildpacks" && "nodejs/bin/detect" "$REPO/fixtures/apps/nodejs-express")" Node.js
    expect_in "$(cd "$REPO/buildpacks" && "python/bin/detect" "$REPO/fixtures/apps/python-flask")" Python
}

# released PACK: what bin/release prints for ./app.
released() {
    "$REPO/buildpacks/$1/bin/release" app
}

test_nodejs_starts_what_npm_start_would() {
    mkdir app
    echo '{}' > app/package.json
    expect "$(released nodejs)" 'default_process_types: {}'
    echo '{"scripts": {"start": "node x.js"}}' > app/package.json
    expect "$(released nodejs)" $'default_process_types:\n  web: npm start'
    echo '{}' > app/package.json
    touch app/server.js
    expect "$(released nodejs)" $'default_process_types:\n  web: npm start'
}

test_python_starts_django_only() {
    mkdir -p app/.heroku/python/bin
    expect "$(released python)" 'default_process_types: {}'
    echo "os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'mysite.settings')" > app/manage.py
    expect_in "$(released python)" '  web: python manage.py runserver'
    install -m 755 /dev/null app/.heroku/python/bin/gunicorn
    expect "$(released python)" $'default_process_types:\n  web: gunicorn mysite.wsgi --bind 0.0.0.0:$PORT'
}

test_clojure_starts_its_archive() {
    mkdir app
    assemble clojure pack
    expect "$(pack/bin/release app)" 'default_process_types: {}'
    echo target/shop.jar > pack/archive
    expect "$(pack/bin/release app)" $'default_process_types:\n  web: java $JVM_OPTS -jar target/shop.jar'
}

test_scala_starts_what_was_staged() {
    mkdir -p app/target/universal/stage/bin app/project
    expect "$(released scala)" 'default_process_types: {}'
    touch app/target/universal/stage/bin/shop{,.bat}
    expect "$(released scala)" $'default_process_types:\n  web: target/universal/stage/bin/shop'
    echo 'addSbtPlugin("org.playframework" % "sbt-plugin" % "3.0.0")' > app/project/plugins.sbt
    # shellcheck disable=SC2016 # expanded when the process starts
    expect_in "$(released scala)" 'stage/bin/shop -Dhttp.port=$PORT'
}

test_java_and_gradle_start_spring_boot_only() {
    mkdir app
    echo '<project/>' > app/pom.xml
    expect "$(released java)" 'default_process_types: {}'
    echo '<parent><artifactId>spring-boot-starter-parent</artifactId></parent>' > app/pom.xml
    # shellcheck disable=SC2016 # expanded when the process starts
    expect_in "$(released java)" 'web: java -Dserver.port=$PORT $JAVA_OPTS -jar target/*.jar'
    expect "$(released gradle)" 'default_process_types: {}'
    echo "plugins { id 'org.springframework.boot' version '3.0.0' }" > app/build.gradle
    expect_in "$(released gradle)" '-jar build/libs/*.jar'
    mkdir -p app/target app/build/libs
    touch app/{target,build/libs}/shop-1{,-plain,-sources,-javadoc}.jar
    expect_in "$(released java)" '-jar target/shop-1.jar'
    expect_in "$(released gradle)" '-jar build/libs/shop-1.jar'
    touch app/target/other.jar
    expect_in "$(released java)" '-jar target/*.jar'
}

test_go_and_rust_start_the_only_program() {
    mkdir app
    for pack in go rust; do
        assemble "$pack" "$pack"
        expect "$("$pack/bin/release" app)" 'default_process_types: {}'
        echo shop > "$pack/program"
    done
    expect "$(go/bin/release app)" $'default_process_types:\n  web: bin/shop'
    expect "$(rust/bin/release app)" $'default_process_types:\n  web: target/release/shop'
}

test_ruby_starts_rails_and_rack() {
    mkdir app
    printf 'GEM\n  specs:\n    rake (13.0.6)\n' > app/Gemfile.lock
    expect "$(released ruby)" $'default_process_types:\n  rake: bundle exec rake\n  console: bundle exec irb'
    printf 'GEM\n  specs:\n    rack (3.0.0)\n' > app/Gemfile.lock
    touch app/config.ru
    expect_in "$(released ruby)" '  web: bundle exec rackup config.ru'
    printf 'GEM\n  specs:\n    rack (3.0.0)\n    railties (7.1.0)\n' > app/Gemfile.lock
    expect_in "$(released ruby)" '  web: bin/rails server'
}
