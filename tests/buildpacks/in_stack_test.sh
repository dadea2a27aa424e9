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

test_go_http() {
    builds go-http 'bin/web' / 'Hello from Go' go
    expect "$(cat release.yml)" $'default_process_types:\n  web: bin/web'
}

test_go_that_does_not_compile() {
    cp -a "$REPO/fixtures/apps/go-http" app
    echo 'package words; func Hello() string { return 1 }' > app/vendor/example.com/words/words.go
    refuses app go 'The app could not be built.'
}

test_php_page() {
    builds php-page 'heroku-php-nginx web/' /any/path 'Hello from PHP, 2' php
    expect_in "$(fetch "$PWD" 'heroku-php-apache2 web' /index.php)" 'Hello from PHP'
    expect "$(fetch "$PWD" 'heroku-php-nginx .' /composer.json || true)" ''
}

test_php_of_another_version() {
    cp -a "$REPO/fixtures/apps/php-page" app
    sed -i 's/">=8.1"/"^5.6"/' app/composer.{json,lock}
    refuses app php 'If the app asks for another PHP, change "php" in composer.json'
}

test_java_maven() {
    builds java-maven 'java -jar target/hello.jar' / 'Hello from Java 17' java
    # An empty trust store would trust nobody.
    cat > Trusted.java << 'JAVA'
class Trusted {
    public static void main(String[] arguments) throws Exception {
        var factory = javax.net.ssl.TrustManagerFactory.getInstance("PKIX");
        factory.init((java.security.KeyStore) null);
        var trusted = (javax.net.ssl.X509TrustManager) factory.getTrustManagers()[0];
        System.out.println(trusted.getAcceptedIssuers().length > 100);
    }
}
JAVA
    rm -rf app
    cp -a "$REPO/fixtures/apps/java-maven" app
    mv Trusted.java app/src/main/java/
    echo 'worker: java -cp target/classes Trusted' > app/Procfile
    prepare_work "$PWD" "$PWD/app"
    compile "$PWD" java
    # shellcheck disable=SC2016 # for the shell in the stack
    expect_in "$(in_root "$RUN_ROOT" "$PWD" bash -c \
        'cp -a /trial/slug/. /app && cd /app && . .profile.d/java.sh && java -cp target/classes Trusted')" true
}

test_clojure_lein() {
    # shellcheck disable=SC2016 # for the shell in the stack
    builds clojure-lein 'java $JVM_OPTS -jar target/hello.jar' / 'Hello from Clojure 1' clojure
    expect "$(cat release.yml)" $'default_process_types:\n  web: java $JVM_OPTS -jar target/hello.jar'
}

test_java_that_does_not_compile() {
    cp -a "$REPO/fixtures/apps/java-maven" app
    echo 'class {' > app/src/main/java/Broken.java
    refuses app java 'Maven could not build the app.'
}

test_java_that_is_not_packaged() {
    cp -a "$REPO/fixtures/apps/java-maven" app
    echo 'java.runtime.version=99' > app/system.properties
    refuses app java "asks for Java 99 in system.properties, but this stack's packages have 17."
}

test_java_gradle() {
    builds java-gradle 'java -jar build/libs/hello.jar' / 'Hello from Gradle' gradle
}

test_gradle_without_the_task_stage() {
    cp -a "$REPO/fixtures/apps/java-gradle" app
    sed -i /stage/d app/build.gradle
    refuses app gradle 'There is no task called stage'
}

test_rust_http() {
    builds rust-http 'target/release/hello' / 'Hello from Rust' rust
    expect "$(cat release.yml)" $'default_process_types:\n  web: target/release/hello'
}

test_rust_of_another_version() {
    cp -a "$REPO/fixtures/apps/rust-http" app
    printf '[toolchain]\nchannel = "1.84.1"\n' > app/rust-toolchain.toml
    prepare_work "$PWD/work" "$PWD/app"
    expect_in "$(compile "$PWD/work" rust)" 'Rust 1.84.1 (rust-toolchain.toml: 1.84.1)'
}

test_scala_web() {
    builds scala-web "java -cp 'target/universal/stage/lib/*' hello.Web" / 'Hello from Scala 2.11.12' scala
}

test_scala_that_does_not_compile() {
    cp -a "$REPO/fixtures/apps/scala-web" app
    echo 'object {' > app/src/main/scala/Broken.scala
    refuses app scala 'The app could not be compiled.'
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

test_nodejs_registry_that_is_away() {
    prepare_work "$PWD" "$REPO/fixtures/apps/nodejs-express"
    printf 'http://127.0.0.1:9/' > env/npm_config_registry
    printf 0 > env/npm_config_fetch_retries
    expect_failure compile "$PWD" nodejs
    expect_in "$OUTPUT" 'A server with packages could not be reached.'
}

test_python_index_that_is_away() {
    prepare_work "$PWD" "$REPO/fixtures/apps/python-flask"
    printf 'http://127.0.0.1:9/' > env/PIP_INDEX_URL
    printf 1 > env/PIP_RETRIES
    expect_failure compile "$PWD" python
    expect_in "$OUTPUT" 'A server with packages could not be reached.'
}

test_debian_that_is_away() {
    prepare_work "$PWD" "$REPO/fixtures/apps/go-http"
    printf 'http://127.0.0.1:9/' > env/http_proxy
    expect_failure compile "$PWD" go
    expect_in "$OUTPUT" "Debian's lists of packages could not be read, of which Go would be taken."
    expect_in "$OUTPUT" 'A server with packages could not be reached.'
}

test_python_django() {
    mkdir -p app/shop app/assets
    printf 'Django==4.2.16\n' > app/requirements.txt
    cat > app/manage.py << 'PYTHON'
import os, sys
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from django.core.management import execute_from_command_line
execute_from_command_line(sys.argv)
PYTHON
    cat > app/shop/settings.py << 'PYTHON'
SECRET_KEY = "x"
ALLOWED_HOSTS = ["*"]
INSTALLED_APPS = ["django.contrib.staticfiles"]
STATIC_URL = "static/"
STATIC_ROOT = "collected"
STATICFILES_DIRS = ["assets"]
ROOT_URLCONF = "shop.urls"
WSGI_APPLICATION = "django.core.wsgi.get_wsgi_application"
PYTHON
    cat > app/shop/urls.py << 'PYTHON'
from django.http import HttpResponse
from django.urls import path
urlpatterns = [path("", lambda request: HttpResponse("Hello from Django"))]
PYTHON
    echo 'body {}' > app/assets/style.css
    prepare_work "$PWD" "$PWD/app"
    expect_in "$(compile "$PWD" python)" '1 static file copied'
    [[ -f slug/collected/style.css ]]
    expect_in "$(cat release.yml)" '  web: python manage.py runserver'
}

# Rake itself is not to be had without a gem server: a gem of that name stands in for it.
test_ruby_assets() {
    mkdir -p app/rake/bin
    touch app/Rakefile
    cat > app/rake/rake.gemspec << 'RUBY'
Gem::Specification.new do |gem|
  gem.name, gem.version, gem.summary, gem.authors = 'rake', '1.0.0', 'Stands in for rake', ['hoist']
  gem.bindir, gem.executables, gem.files = 'bin', ['rake'], ['bin/rake']
end
RUBY
    cat > app/rake/bin/rake << 'RUBY'
puts 'rake assets:precompile', '    environment' if ARGV == ['--prereqs']
File.write('compiled', ENV.values_at('RAILS_ENV', 'DATABASE_URL').join(' ')) if ARGV == ['assets:precompile']
RUBY
    echo "gem 'rake', path: 'rake'" > app/Gemfile
    printf 'PATH\n  remote: rake\n  specs:\n    rake (1.0.0)\n\nGEM\n  specs:\n\nPLATFORMS\n  ruby\n  x86_64-linux\n\nDEPENDENCIES\n  rake!\n' \
        > app/Gemfile.lock
    prepare_work "$PWD" "$PWD/app"
    expect_in "$(compile "$PWD" ruby)" 'Precompiling assets'
    expect "$(cat slug/compiled)" 'production postgresql://user:pass@127.0.0.1/dbname'
}
