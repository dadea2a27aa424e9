# shellcheck shell=bash
# Running a tool on the pusher's behalf. Needs output.sh.

STEP_LOG=$(mktemp)
trap 'rm -f "$STEP_LOG"' EXIT

# step COMMAND…: runs a command, shows its output, and keeps it for `why`. Gives the command's status.
step() {
    "$@" 2>&1 < /dev/null | tee "$STEP_LOG" | indent
    return "${PIPESTATUS[0]}"
}

# quietly COMMAND…: as `step`, but shows the output only if the command fails.
quietly() {
    local status=0
    "$@" > "$STEP_LOG" 2>&1 < /dev/null || status=$?
    ((status == 0)) || indent < "$STEP_LOG"
    return "$status"
}

# why HINT…: says what to do about the last step's failure: the hint, unless the network is to blame.
why() {
    local lost='ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|ERR_SOCKET_TIMEOUT'
    lost+='|name resolution|Name or service not known|Network is unreachable|Connection (refused|timed out|reset)'
    lost+='|NewConnectionError|ConnectTimeout|ReadTimeout|Could not (reach|fetch specs)|dns error|SocketError'
    lost+='|Temporary failure resolving|Could not resolve|no such host|UnknownHostException|Could not connect to'
    if grep -qE "$lost" "$STEP_LOG"; then
        printf '%s\n' "A server with packages could not be reached. This is most likely not your app's fault:" "push again in a while."
    else
        printf '%s\n' "$@"
    fi
}

# fail_step WHAT HINT…: ends the build after a failed step.
fail_step() {
    local what=$1 lines
    shift
    mapfile -t lines < <(why "$@")
    fail "$what" "" "${lines[@]}"
}
