# shellcheck shell=bash disable=SC2034,SC2154 # variables shared with the packs
# Java for the packs of its languages: a JDK to build with, and a JRE in the slug, at .heroku/java. Needs debian.sh.

# property NAME: what system.properties says of it, or nothing.
property() {
    [[ ! -f system.properties ]] ||
        sed -nE "s/^[[:blank:]]*${1//./\\.}[[:blank:]]*[=:][[:blank:]]*(.*[^[:space:]])[[:space:]]*\$/\1/p" system.properties | tail -1
}

# java_series VERSION: the series of a version as any of those write it who make a JDK: `1.8`, `17.0.9`, `openjdk-21`.
java_series() {
    sed -nE 's/^([a-z]+-)?(1\.)?([0-9]+)([._+u-].*)?$/\3/p' <<< "$1"
}

# install_jdk CACHE_DIR PACKAGE…: puts the JDK that the app asks for on the PATH, and the packages of build tools beside it in TOOLS.
install_jdk() {
    debian_open "$1" Java
    choose_java
    TOOLS=$DEBIAN/tools
    debian_unpack build "$TOOLS" "openjdk-$JAVA-jdk-headless" "${@:2}"
    eval "$(debian_paths "$TOOLS" "$TOOLS")"
    JAVA_HOME=$(echo "$TOOLS/usr/lib/jvm/java-$JAVA-openjdk-"*)
    export JAVA_HOME PATH=$JAVA_HOME/bin:$PATH
    quietly javac -d "$DEBIAN" "$pack/lib/jvm/TrustStore.java" || fail "The JDK was fetched, but does not run."
    trust "$JAVA_HOME" "${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}"
    detail "OpenJDK $(debian_version "openjdk-$JAVA-jdk-headless") ($JAVA_ASKED)"
}

# Sets JAVA to the series that system.properties asks for, otherwise to the newest that is supported for long.
choose_java() {
    local asked series
    asked=$(property java.runtime.version)
    JAVA_ASKED="no java.runtime.version in system.properties"
    series=$(debian_versions 'openjdk-([0-9]+)-jdk-headless')
    [[ -n $series ]] || fail "Debian's packages of this stack have no OpenJDK."
    JAVA=$(grep -xE '8|11|17|21|25|29' <<< "$series" | tail -1) || true
    JAVA=${JAVA:-$(tail -1 <<< "$series")}
    [[ -n $asked ]] || return 0
    JAVA_ASKED="system.properties: $asked"
    JAVA=$(java_series "$asked")
    [[ -n $JAVA ]] || fail "java.runtime.version in system.properties, \"$asked\", is no version of Java." "" "Write it as \"17\"."
    grep -qxF "$JAVA" <<< "$series" || fail \
        "The app asks for Java $asked in system.properties, but this stack's packages have ${series//$'\n'/, }." \
        "" "Change java.runtime.version if the app runs on one of these, or set a stack that has the Java it needs."
}

# trust JAVA_HOME FILE: has a Java trust these certificates. Its package would do so on being installed.
trust() {
    rm -f "$1/lib/security/cacerts"
    quietly java -Dkeystore.pkcs12.certProtectionAlgorithm=NONE -Dkeystore.pkcs12.macAlgorithm=NONE \
        -cp "$DEBIAN" TrustStore "$2" "$1/lib/security/cacerts" || fail "The certificates in $2 could not be read."
}

# repack ARCHIVE: makes it again with times and an order of its entries that do not differ from one build to the next.
repack() {
    local folder=$DEBIAN/repack archive
    archive=$(realpath "$1")
    rm -rf "$folder"
    unzip -qo "$archive" -d "$folder" || fail "$1 could not be read."
    find "$folder" -exec touch --no-dereference --date=1980-01-02T00:00:00Z {} +
    rm "$archive"
    # Java reads the manifest only where it comes first.
    (cd "$folder" && { echo META-INF/MANIFEST.MF && find . -type f ! -path ./META-INF/MANIFEST.MF | LC_ALL=C sort; } |
        TZ=UTC zip -qX "$archive" -@) || fail "$1 could not be written."
}

# leave_jre PACK: what the app needs to run, for its processes and for the next pack.
leave_jre() {
    local root=$BUILD_DIR/.heroku/java home
    rm -rf "$root"
    debian_unpack run "$root" "openjdk-$JAVA-jre-headless"
    home=$(cd "$root" && echo "usr/lib/jvm/java-$JAVA-openjdk-"*)
    # The stack's own certificates: the build's may be its host's.
    cat /usr/share/ca-certificates/mozilla/*.crt > "$DEBIAN/certificates"
    trust "$root/$home" "$DEBIAN/certificates"
    mkdir -p .profile.d
    {
        # shellcheck disable=SC2016 # expanded when a process starts
        debian_paths "$root" '$HOME/.heroku/java'
        echo "export JAVA_HOME=\"\$HOME/.heroku/java/$home\""
        cat "$1/lib/jvm/profile.sh"
    } > .profile.d/java.sh
    cp "$1"/lib/profile/*.sh .profile.d/
    {
        debian_paths "$root" "$root"
        echo "export JAVA_HOME=\"$root/$home\" PATH=\"$root/$home/bin:\$PATH\""
    } > "$1/export"
}

# maven_repository PACKAGE…: for hosts that do not reach Maven's own. With `maven.repository=debian` in system.properties, prints the
# packages to fetch: these, which a tool needs itself, and those that `maven.repository.packages` names.
maven_repository() {
    local asked packages
    asked=$(property maven.repository)
    [[ -z $asked || $asked == debian ]] || fail "maven.repository in system.properties, \"$asked\", is not known." \
        "" "It can be \"debian\"; without it, Maven's own repositories are used."
    [[ -n $asked ]] || return 0
    read -ra packages <<< "$(property maven.repository.packages)"
    printf '%s\n' "$@" "${packages[@]}"
}
