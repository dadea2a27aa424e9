# shellcheck shell=bash disable=SC2034,SC2154 # variables shared between the files of the pack
# The packages of composer.lock, in vendor/.

# Installs them without those for development, then runs the script `compile` if there is one. Composer is not in the slug.
install_dependencies() {
    local home=$DEBIAN/composer
    debian_unpack build "$home" composer
    COMPOSER=(php -d "include_path=$home/usr/share/php" "$home/usr/bin/composer" --no-interaction --no-ansi)
    export COMPOSER_CACHE_DIR=$CACHE_DIR/composer COMPOSER_HOME=$DEBIAN/composer-home COMPOSER_NO_AUDIT=1
    # The autoloader's classes end in this, which is random otherwise. An app's own wins.
    mkdir -p "$COMPOSER_HOME"
    printf '{"config": {"autoloader-suffix": "%s"}}\n' "$(hash_of composer.json composer.lock | cut -c1-32)" > "$COMPOSER_HOME/config.json"
    step "${COMPOSER[@]}" install --no-dev --no-progress --prefer-dist --optimize-autoloader || fail_step \
        "The packages of composer.lock could not be installed." \
        "If composer.json and composer.lock do not agree, run \`composer update --lock\`, commit composer.lock and push again." \
        "If the app asks for another PHP, change \"php\" in composer.json to allow $PHP_SERIES."
    [[ -n $(jq -r '.scripts.compile // empty' composer.json) ]] || return 0
    topic "Running the script compile"
    step "${COMPOSER[@]}" run-script --no-dev compile ||
        fail_step "The script \"compile\" of composer.json failed." "The output above says why."
}
