# shellcheck shell=bash
export PATH="$JAVA_HOME/bin:$PATH"
# What is not the heap needs room, too. The app's own options come last, and win.
export JAVA_TOOL_OPTIONS="-XX:MaxRAMPercentage=70 -Dfile.encoding=UTF-8 ${JAVA_TOOL_OPTIONS:-}"
# JDBC's drivers do not read what Heroku calls a DATABASE_URL.
if [[ ${DATABASE_URL:-} =~ ^postgres(ql)?://([^:@/]+):([^@/]*)@([^/?]+)/([^?]+)\??(.*)$ ]]; then
    export JDBC_DATABASE_URL="jdbc:postgresql://${BASH_REMATCH[4]}/${BASH_REMATCH[5]}?user=${BASH_REMATCH[2]//+/%2B}&password=${BASH_REMATCH[3]//+/%2B}${BASH_REMATCH[6]:+&${BASH_REMATCH[6]}}"
    # What is percent-encoded in an URL is not elsewhere.
    encoded=$(printf '%s\n' "${BASH_REMATCH[2]}" "${BASH_REMATCH[3]}" | sed -E 's/\\/\\\\/g; s/%([0-9A-Fa-f]{2})/\\x\1/g')
    printf -v JDBC_DATABASE_USERNAME %b "${encoded%%$'\n'*}"
    printf -v JDBC_DATABASE_PASSWORD %b "${encoded#*$'\n'}"
    unset encoded
    export JDBC_DATABASE_USERNAME JDBC_DATABASE_PASSWORD
    export SPRING_DATASOURCE_URL="${SPRING_DATASOURCE_URL:-$JDBC_DATABASE_URL}"
    export SPRING_DATASOURCE_USERNAME="${SPRING_DATASOURCE_USERNAME:-$JDBC_DATABASE_USERNAME}"
    export SPRING_DATASOURCE_PASSWORD="${SPRING_DATASOURCE_PASSWORD:-$JDBC_DATABASE_PASSWORD}"
fi
