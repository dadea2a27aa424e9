# shellcheck shell=bash
export PHP_ROOT="$HOME/.heroku/php"
export PHPRC="${PHPRC:-$PHP_ROOT}" PHP_INI_SCAN_DIR="${PHP_INI_SCAN_DIR:-$PHP_ROOT/conf.d}"
# As many processes as fit with the memory that php.ini allows each.
export WEB_MEMORY="${WEB_MEMORY:-128}"
[ -n "${MEMORY_AVAILABLE:-}" ] || export WEB_CONCURRENCY="${WEB_CONCURRENCY:-8}"
