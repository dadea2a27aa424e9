# shellcheck shell=bash
export PATH="$HOME/bin:$PATH"
export LANG="${LANG:-C.UTF-8}"
export RACK_ENV="${RACK_ENV:-production}" RAILS_ENV="${RAILS_ENV:-production}"
export RAILS_SERVE_STATIC_FILES="${RAILS_SERVE_STATIC_FILES:-enabled}" RAILS_LOG_TO_STDOUT="${RAILS_LOG_TO_STDOUT:-enabled}"
# Threads each with a heap of their own make Ruby's memory grow for nothing.
export MALLOC_ARENA_MAX="${MALLOC_ARENA_MAX:-2}"
export BUNDLE_DEPLOYMENT=true BUNDLE_PATH="$HOME/vendor/bundle"
