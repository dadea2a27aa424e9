# shellcheck shell=bash disable=SC2034,SC2154 # variables shared between the files of the pack
# Leiningen makes one archive of the app and all that it needs, so that it is not needed to run.

check_project() {
    [[ -f project.clj ]] || fail "There is a deps.edn, but no project.clj." \
        "" \
        "Debian's packages have Leiningen, but not Clojure's own command line. Add a project.clj and push again;" \
        "its plugin lein-tools-deps takes the dependencies from deps.edn."
}

# Sets LEIN_PACKAGES, which are needed beside the JDK.
choose_packages() {
    local listed
    LEIN_PACKAGES=()
    # If it fails, so does the build, which `< <(…)` would not see.
    listed=$(maven_repository libclojure-java)
    [[ -z $listed ]] || mapfile -t LEIN_PACKAGES <<< "$listed"
    LEIN_PACKAGES+=(leiningen)
}

# Runs bin/build if the app has it, otherwise LEIN_BUILD_TASK or uberjar.
build_with_leiningen() {
    local command task lein=$TOOLS/usr/bin/lein offline=()
    export LEIN_HOME=$DEBIAN/lein LEIN_NO_USER_PROFILES=1 LEIN_SILENT=1 HTTP_CLIENT=curl
    # Leiningen keeps what it fetches below its home.
    local home=$CACHE_DIR/home
    if [[ -n $(property maven.repository) ]]; then
        home=$DEBIAN/home offline=(-o)
        mkdir -p "$home/.m2"
        ln -sT "$TOOLS/usr/share/maven-repo" "$home/.m2/repository"
    fi
    mkdir -p "$home"
    export LEIN_JVM_OPTS="-XX:+TieredCompilation -XX:TieredStopAtLevel=1 -Duser.home=$home"
    # It looks for itself where its package would be installed.
    sed -i "s#/usr/share/java/#$TOOLS&#" "$lein"
    if [[ -x bin/build ]]; then
        task=(bin/build) command=(bin/build)
    else
        read -ra task <<< "${LEIN_BUILD_TASK:-uberjar}"
        command=("$lein" "${offline[@]}" "${task[@]}")
    fi
    detail "Running ${task[*]}"
    step "${command[@]}" || fail_step "The app could not be built." \
        "The output above says why. Try it at home with \`lein ${task[*]}\`." \
        "Where Clojars and Maven's repositories are out of reach, \`maven.repository=debian\` in system.properties" \
        "uses Debian's packages."
}

# Tells bin/release what was made, if that is clear, and drops the rest of target/.
find_archive() {
    local name archives
    name=$(sed -nE 's/^[^;"]*:uberjar-name[[:space:]]+"([^"]+)".*/\1/p' project.clj | head -1)
    mapfile -t archives < <(find target -type f \( -name '*-standalone.jar' -o -name "${name:-*-standalone.jar}" \) 2> /dev/null | sort)
    ((${#archives[@]} == 1)) || return 0
    detail "Built ${archives[0]}"
    echo "${archives[0]}" > "$pack/archive"
    repack "${archives[0]}"
    find target -type f ! -path "${archives[0]}" -delete
    find target -type d -empty -delete
}
