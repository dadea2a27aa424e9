# shellcheck shell=bash disable=SC2034,SC2154 # variables shared between the files of the pack
# Gradle: the app's own, if it has a wrapper, or else Debian's.

# Sets GRADLE_PACKAGES, which are needed beside the JDK.
choose_gradle() {
    GRADLE_PACKAGES=()
    [[ ! -f gradlew ]] || return 0
    warn "There is no Gradle wrapper: Debian's Gradle is used, which is old." \
        "Run \`gradle wrapper\`, commit gradlew and gradle/wrapper, and push again."
    GRADLE_PACKAGES=(gradle)
}

# Debian's Gradle looks for its parts where its package would be installed. It is told another path, which has to be as long.
relocate_gradle() {
    local jar classes=org/gradle/internal/installation
    [[ ! -f gradlew ]] || return 0
    jar=$(echo "$TOOLS"/usr/share/java/gradle-core-api-[0-9]*.jar)
    ln -sfnT "$TOOLS/usr/share" /tmp/hoist
    (
        cd "$DEBIAN"
        unzip -q "$jar" "$classes/*"
        LC_ALL=C sed -i 's#/usr/share/\(gradle\|java\)#/tmp/hoist/\1#' "$classes"/*.class
        zip -q "$jar" "$classes"/*.class
    ) || fail "Debian's Gradle could not be prepared."
}

# Runs GRADLE_TASK, or else the task stage; of Spring Boot's apps that have none, build without the tests.
build_with_gradle() {
    local command=("$TOOLS/usr/share/gradle/bin/gradle") task
    export GRADLE_USER_HOME=$CACHE_DIR
    relocate_gradle
    [[ ! -f gradlew ]] || command=(sh ./gradlew)
    command+=(--no-daemon --console=plain --init-script "$pack/steps/reproducible.gradle")
    read -ra task <<< "${GRADLE_TASK:-stage}"
    if [[ -z ${GRADLE_TASK:-} ]]; then
        quietly "${command[@]}" --quiet tasks --all || fail_gradle
        if ! grep -qE '^stage( |$)' "$STEP_LOG"; then
            grep -qs 'org.springframework.boot' build.gradle{,.kts} || fail "There is no task called stage, which is run to build the app." \
                "" "Add one to build.gradle, for example \`task stage(dependsOn: ['build'])\`," \
                "or name another in the config var GRADLE_TASK."
            task=(build -x check)
        fi
    fi
    detail "gradle ${task[*]}"
    step "${command[@]}" "${task[@]}" || fail_gradle
    # What only the next build on this very machine would use.
    rm -rf .gradle build/tmp
}

fail_gradle() {
    fail_step "Gradle could not build the app." "The output above says why. Try it at home with \`./gradlew ${GRADLE_TASK:-stage}\`."
}
