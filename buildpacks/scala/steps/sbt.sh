# shellcheck shell=bash disable=SC2034,SC2154 # variables shared between the files of the pack
# sbt, which no Debian package has: its launcher fetches all else.

LAUNCHERS=https://repo1.maven.org/maven2/org/scala-sbt/sbt-launch

# Sets SBT_VERSION. Without one, sbt would choose another from time to time.
read_sbt_version() {
    SBT_VERSION=$(sed -nE 's/^[[:blank:]]*sbt\.version[[:blank:]]*=[[:blank:]]*([^[:space:]]+).*/\1/p' project/build.properties 2> /dev/null | head -1) || true
    [[ -n $SBT_VERSION ]] || fail "No version of sbt is asked for in project/build.properties." \
        "" "Write \`sbt.version=1.9.9\`, or the version that you use, into it, commit it and push again."
    [[ $SBT_VERSION =~ ^[1-9][0-9]*(\.[0-9]+)+(-[A-Za-z0-9]+)?$ ]] ||
        fail "sbt.version in project/build.properties, \"$SBT_VERSION\", is no version of sbt that is supported." "" "Use 1.0 or newer."
}

install_sbt() {
    LAUNCHER=$CACHE_DIR/sbt-launch-$SBT_VERSION.jar
    if [[ ! -f $LAUNCHER ]]; then
        rm -f "$CACHE_DIR"/sbt-launch-*.jar
        quietly curl --fail --silent --show-error --location --max-time 120 --retry 2 --output "$DEBIAN/launcher" \
            "$LAUNCHERS/$SBT_VERSION/sbt-launch-$SBT_VERSION.jar" || fail_step "sbt $SBT_VERSION could not be fetched." \
            "Is there such a version? Where Maven's repositories are out of reach, \`maven.repository=debian\` in" \
            "system.properties compiles what is in src/main/scala with Debian's Scala."
        mv "$DEBIAN/launcher" "$LAUNCHER"
    fi
    detail "sbt $SBT_VERSION (project/build.properties)"
}

# Runs SBT_TASKS, or else compile and stage, as Heroku does; SBT_CLEAN=true has the rest of the last build dropped before.
build_with_sbt() {
    local tasks options
    read -ra tasks <<< "${SBT_TASKS:-compile stage}"
    read -ra options <<< "${SBT_OPTS:--Xmx1536m -Xss2m}"
    [[ ${SBT_CLEAN:-} != true ]] || tasks=(clean "${tasks[@]}")
    export COURSIER_CACHE=$CACHE_DIR/coursier
    detail "sbt ${tasks[*]}"
    step java "${options[@]}" -Dfile.encoding=UTF-8 -Dsbt.log.noformat=true -Dsbt.server.autostart=false \
        "-Dsbt.global.base=$CACHE_DIR/global" "-Dsbt.boot.directory=$CACHE_DIR/boot" "-Dsbt.ivy.home=$CACHE_DIR/ivy" \
        -jar "$LAUNCHER" "${tasks[@]}" || fail_step "sbt could not build the app." \
        "The output above says why. If there is no task called stage, add sbt-native-packager to project/plugins.sbt," \
        "or name other tasks in the config var SBT_TASKS."
    # What only the next build in this very folder would use.
    rm -rf project/{target,project} target/{streams,resolution-cache,task-temp-directory,global-logging} .bsp
}
