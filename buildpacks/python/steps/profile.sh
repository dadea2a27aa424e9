# shellcheck shell=bash
export PATH="$HOME/.heroku/python/bin:$PATH"
export PYTHONUNBUFFERED=true
export PYTHONPATH="${PYTHONPATH:-$HOME}"
export LANG="${LANG:-C.UTF-8}"
# The only way to a web process is through a router, which tells the client's address and protocol.
export FORWARDED_ALLOW_IPS="${FORWARDED_ALLOW_IPS:-*}"
