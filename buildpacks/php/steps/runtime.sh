# shellcheck shell=bash disable=SC2034,SC2154 # variables shared between the files of the pack
# PHP and nginx in the slug, at .heroku/php, from the distribution's packages.

# What most apps use without saying so.
DEFAULT_EXTENSIONS=(curl mbstring opcache xml zip)

# Puts PHP in place, with the extensions that composer.json and composer.lock ask for, and on the PATH.
install_php() {
    local extension packages known
    debian_open "$CACHE_DIR" PHP
    PHP_SERIES=$(debian_versions 'php([0-9]+\.[0-9]+)-fpm' | tail -1)
    [[ -n $PHP_SERIES ]] || fail "Debian's packages of this stack have no PHP."
    # Its smaller variant does what PHP needs of systemd.
    packages=("php$PHP_SERIES-fpm" "php$PHP_SERIES-cli" nginx systemd-standalone-tmpfiles)
    known=$(apt-cache pkgnames --all-names "php$PHP_SERIES-")
    for extension in "${DEFAULT_EXTENSIONS[@]}" $(required_extensions); do
        # What is no package is part of PHP itself; if not, Composer says so.
        ! grep -qxF "php$PHP_SERIES-$extension" <<< "$known" || packages+=("php$PHP_SERIES-$extension")
    done
    export PHP_ROOT=$BUILD_DIR/.heroku/php
    rm -rf "$PHP_ROOT"
    debian_unpack run "$PHP_ROOT" "${packages[@]}"
    configure_php
    eval "$(debian_paths "$PHP_ROOT" "$PHP_ROOT")"
    export PHPRC=$PHP_ROOT PHP_INI_SCAN_DIR=$PHP_ROOT/conf.d
    quietly php --version || fail "PHP was fetched, but does not run."
    detail "PHP $(php -r 'echo PHP_VERSION;') (Debian's packages have this one)"
    detail "nginx $(nginx -v 2>&1 | sed 's#.*/##')"
    detail "Extensions besides PHP's own: $(enabled_extensions)"
}

# Settings are where PHP_ROOT is, which differs between building and running. Debian's packages say in which order extensions load.
configure_php() {
    local file name
    mkdir "$PHP_ROOT/conf.d"
    cp "$PHP_ROOT/usr/lib/php/$PHP_SERIES/php.ini-production" "$PHP_ROOT/php.ini"
    for file in "$PHP_ROOT"/usr/share/php"$PHP_SERIES"-*/*/*.ini; do
        name=$(sed -nE 's/^; *priority=([0-9]+).*/\1/p' "$file")-$(basename "$file")
        cp "$file" "$PHP_ROOT/conf.d/${name/#-/20-}"
    done
    sed "s#@EXTENSIONS@#$(cd "$PHP_ROOT" && echo usr/lib/php/20*)#" "$pack/server/php.ini" > "$PHP_ROOT/conf.d/99-hoist.ini"
    ln -s "php$PHP_SERIES" "$PHP_ROOT/usr/bin/php"
    ln -s "php-fpm$PHP_SERIES" "$PHP_ROOT/usr/sbin/php-fpm"
    # What packages need when they are installed, and services that nothing starts.
    rm -rf "${PHP_ROOT:?}"/{bin,sbin,var/{cache,log,www,lib/{nginx,php}},usr/share/vim,etc/{init.d,apache2,cron.d,logrotate.d,iproute2}} "$PHP_ROOT"/{usr/,}lib/systemd
}

enabled_extensions() {
    local file names=()
    for file in "$PHP_ROOT"/conf.d/*.ini; do
        file=${file##*/}
        file=${file%.ini}
        [[ $file == 99-hoist ]] || names+=("${file#*-}")
    done
    echo "${names[*]}"
}

# install_server PACK: the programs that Procfiles name.
install_server() {
    local name
    for name in heroku-php-nginx heroku-php-apache2; do
        install -m 755 "$1/server/$name" "$PHP_ROOT/usr/bin/$name"
    done
    cp "$1"/server/{nginx,fpm}.conf "$PHP_ROOT/"
}

# leave_paths PACK: for the app's processes and for the next pack.
leave_paths() {
    # shellcheck disable=SC2016 # expanded when a process starts
    debian_paths "$PHP_ROOT" '$HOME/.heroku/php' >> .profile.d/php.sh
    {
        debian_paths "$PHP_ROOT" "$PHP_ROOT"
        echo "export PHP_ROOT=\"$PHP_ROOT\" PHPRC=\"$PHP_ROOT\" PHP_INI_SCAN_DIR=\"$PHP_ROOT/conf.d\""
    } > "$1/export"
}
