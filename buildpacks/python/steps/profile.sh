# shellcheck shell=bash
export PATH="$HOME/.heroku/python/bin:$PATH"
export PYTHONUNBUFFERED=true
export PYTHONPATH="${PYTHONPATH:-$HOME}"
export LANG="${LANG:-C.UTF-8}"
# Requests are logged where the app's log is kept.
export GUNICORN_CMD_ARGS="${GUNICORN_CMD_ARGS:---access-logfile -}"
# The only way to a web process is through a router, which tells the client's address and protocol.
export FORWARDED_ALLOW_IPS="${FORWARDED_ALLOW_IPS:-*}"
