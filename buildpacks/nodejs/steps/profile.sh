# shellcheck shell=bash
export PATH="$HOME/.heroku/node/bin:$HOME/node_modules/.bin:$PATH"
export NODE_ENV="${NODE_ENV:-production}"
# npm start should neither phone home nor write where nobody reads.
export npm_config_update_notifier=false npm_config_cache=/tmp/npm
