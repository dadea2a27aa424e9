# shellcheck shell=bash disable=SC2034,SC2154 # variables shared between the files of the pack
# Maven: the app's own, if it has a wrapper, or else Debian's.

# What Maven's own life cycle is made of, for builds without Maven's repositories.
PLUGINS=(libmaven-{clean,resources,compiler,jar,install}-plugin-java libsurefire-java)

# Sets MAVEN_PACKAGES, which are needed beside the JDK.
choose_maven() {
    local listed
    MAVEN_PACKAGES=()
    # If it fails, so does the build, which `< <(…)` would not see.
    listed=$(maven_repository "${PLUGINS[@]}")
    [[ -z $listed ]] || mapfile -t MAVEN_PACKAGES <<< "$listed"
    has_wrapper || MAVEN_PACKAGES+=(maven)
}

has_wrapper() {
    [[ -f mvnw && -f .mvn/wrapper/maven-wrapper.properties ]]
}

# Builds, without running the tests. MAVEN_CUSTOM_GOALS, MAVEN_CUSTOM_OPTS, MAVEN_SETTINGS_PATH and MAVEN_JAVA_OPTS are Heroku's.
build_with_maven() {
    local command=("$TOOLS/usr/share/maven/bin/mvn") goals options settings=${MAVEN_SETTINGS_PATH:-settings.xml}
    local repository=("-Dmaven.repo.local=$CACHE_DIR/repository")
    export MAVEN_OPTS=${MAVEN_JAVA_OPTS:--Xmx1024m} MAVEN_USER_HOME=$CACHE_DIR/wrapper
    ! has_wrapper || command=(sh ./mvnw)
    if [[ -n $(property maven.repository) ]]; then
        repository=(--offline "-Dmaven.repo.local=$TOOLS/usr/share/maven-repo")
        add_plexus_utils "$TOOLS/usr/share/maven-repo/org/codehaus/plexus/plexus-utils"
    fi
    read -ra goals <<< "${MAVEN_CUSTOM_GOALS:-clean install}"
    read -ra options <<< "${MAVEN_CUSTOM_OPTS:--DskipTests}"
    [[ ! -f $settings ]] || options+=(--settings "$settings")
    # The same source has to give the same bytes, so archives have no times of their own.
    options+=(-Dproject.build.outputTimestamp=1980-01-01T00:00:02Z)
    detail "mvn ${options[*]} ${goals[*]}"
    step "${command[@]}" --batch-mode --no-transfer-progress -Dstyle.color=never "${repository[@]}" "${options[@]}" "${goals[@]}" || fail_step \
        "Maven could not build the app." \
        "The output above says why. Try it at home with \`mvn ${goals[*]}\`." \
        "Where Maven's repositories are out of reach, \`maven.repository=debian\` in system.properties uses Debian's packages."
}

# Maven itself adds version 1.1 to plugins that name none, and Debian has later ones only.
add_plexus_utils() {
    local kind
    mkdir -p "$1/1.1"
    for kind in jar pom; do
        ln -sfr "$1/debian/plexus-utils-debian.$kind" "$1/1.1/plexus-utils-1.1.$kind"
    done
}

# Notes of the build, with its paths and times.
prune() {
    find . -type d \( -path '*/target/maven-status' -o -path '*/target/maven-archiver' -o -path '*/target/surefire-reports' \) \
        -prune -exec rm -rf {} +
}
