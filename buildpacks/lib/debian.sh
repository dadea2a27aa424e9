# shellcheck shell=bash
# Programs that the stack lacks, from the packages of its own distribution: apt downloads and checks them, and they are
# unpacked where that needs no root. Nothing that a package would run when it is installed is run. Needs step.sh.

DEBIAN=$(mktemp -d)
trap 'rm -rf "$STEP_LOG" "$DEBIAN"' EXIT

# debian_open CACHE_DIR WHAT: reads which packages there are now. WHAT is what they are wanted for, as the pusher reads it.
debian_open() {
    DEBIAN_CACHE=$1/debian DEBIAN_WHAT=$2
    command -v apt-get > /dev/null || fail "This stack has no $2, and no apt-get to fetch it with." \
        "" "Use a stack that is made of Debian's packages, such as debian-12."
    mkdir -p "$DEBIAN_CACHE"/{lists,archives}/partial "$DEBIAN/none/partial"
    touch "$DEBIAN"/{used,status}
    write_apt_settings
    if ! read_lists; then
        # Not every mirror keeps what is newer than the release.
        sed -i '/-backports main$/d' "$DEBIAN/sources.list"
        if ! read_lists; then
            indent < "$STEP_LOG"
            fail_step "Debian's lists of packages could not be read, of which $2 would be taken." "The output above says why."
        fi
    fi
}

# Where a server does not answer, apt goes on with the lists of the last time, and says that all is well even if there are none.
read_lists() {
    timeout 120 apt-get --quiet update > "$STEP_LOG" 2>&1 < /dev/null && compgen -G "$DEBIAN_CACHE/lists/*_Packages*" > /dev/null
}

write_apt_settings() {
    debian_sources > "$DEBIAN/sources.list"
    export APT_CONFIG=$DEBIAN/apt.conf
    cat > "$APT_CONFIG" << SETTINGS
Dir::State "$DEBIAN";
Dir::State::status "$DEBIAN/status";
Dir::State::lists "$DEBIAN_CACHE/lists";
Dir::Cache "$DEBIAN";
Dir::Cache::archives "$DEBIAN_CACHE/archives";
Dir::Etc::sourcelist "$DEBIAN/sources.list";
Acquire::GzipIndexes "true";
Acquire::Languages "none";
Acquire::Retries "2";
Acquire::http::Timeout "30";
Acquire::https::Timeout "30";
APT::Install-Recommends "false";
SETTINGS
}

# The stack's own sources, and where newer versions are kept for it. Those are taken only if there are no others.
debian_sources() {
    local suite
    suite=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
    [[ -f /etc/apt/sources.list ]] || return 0
    sed -nE "p; s/^(deb .*) $suite main\$/\1 $suite-backports main/p" /etc/apt/sources.list
}

# debian_versions PATTERN: the versions that there are of a package whose name has its version in it, oldest first. The pattern
# is a regular expression for the whole name with the version as its group.
debian_versions() {
    apt-cache --names-only search "^${1//[()]/}\$" | sed -nE "s/^$1 - .*/\1/p" | sort -V
}

# debian_version PACKAGE: the version that would be unpacked, without what Debian adds to it.
debian_version() {
    apt-cache show --no-all-versions "$1" | sed -nE 's/^Version: ([0-9]+:)?([0-9][0-9.]*).*/\2/p' | head -1
}

# debian_unpack FOR DEST PACKAGE…: unpacks packages below DEST, with what they need and the stack's FOR (`build` or `run`)
# variant lacks.
debian_unpack() {
    local variant=$1 dest=$2 file files
    take_for "$variant"
    shift 2
    # What is in the archives already would not be listed.
    if ! files=$(apt-get --quiet=2 --yes --print-uris -o "Dir::Cache::archives=$DEBIAN/none" install "$@" 2> "$STEP_LOG" | cut -d' ' -f2); then
        indent < "$STEP_LOG"
        fail_packages_of_debian
    fi
    detail "$(wc -w <<< "$files") Debian packages to $variant with, $(count_kept "$files") of them from the cache"
    quietly apt-get --quiet=2 --yes --download-only install "$@" || fail_packages_of_debian
    mkdir -p "$dest"
    for file in $files; do
        dpkg-deb --extract "$DEBIAN_CACHE/archives/$file" "$dest" || fail "$file could not be unpacked."
        echo "$file" >> "$DEBIAN/used"
        # What lists the packages of an image finds them as where they are installed.
        mkdir -p "$dest/var/lib/dpkg"
        printf '%s\nStatus: install ok installed\n\n' "$(dpkg-deb --field "$DEBIAN_CACHE/archives/$file")" >> "$dest/var/lib/dpkg/status"
    done
    rm -rf "$dest"/usr/share/{doc,man,lintian,bug,locale}
    make_links_relative "$dest"
}

# count_kept FILES: how many of these archives an earlier build has left.
count_kept() {
    local file kept=0
    for file in $1; do
        [[ ! -f $DEBIAN_CACHE/archives/$file ]] || kept=$((kept + 1))
    done
    echo "$kept"
}

# What apt takes to be installed. Stacks that are not made by hoist tell only of their build variant.
take_for() {
    local status=/var/lib/dpkg/status
    [[ $1 == build || ! -f $status.run ]] || status=$status.run
    cp "$status" "$DEBIAN/status"
}

fail_packages_of_debian() {
    fail_step "$DEBIAN_WHAT could not be fetched from Debian's packages." "The output above says why." \
        "If a package does not exist, the stack's sources of packages do not have it."
}

# Links lead to where packages are when they are installed.
make_links_relative() {
    local link target
    while IFS= read -r -d '' link; do
        target=$1$(readlink "$link")
        [[ ! -e $target && ! -L $target ]] || ln -sfnr "$target" "$link"
    done < <(find "$1" -type l -lname '/*' -print0)
}

# debian_paths ROOT AS: prints what a shell has to source so that what is unpacked below ROOT is found, where ROOT is called AS.
debian_paths() {
    local folder libraries=
    echo "export PATH=\"$2/usr/bin:$2/usr/sbin:\$PATH\""
    for folder in "$1"/{usr/,}lib/*-linux-gnu; do
        [[ ! -d $folder ]] || libraries+="${libraries:+:}$2${folder#"$1"}"
    done
    # An empty name in the list would be the current folder.
    [[ -z $libraries ]] || echo "export LD_LIBRARY_PATH=\"$libraries\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}\""
}

# debian_close: drops the archives that this build did not need.
debian_close() {
    local file
    [[ -n ${DEBIAN_CACHE:-} ]] || return 0
    for file in "$DEBIAN_CACHE"/archives/*.deb; do
        grep -qxF "${file##*/}" "$DEBIAN/used" || rm -f "$file"
    done
    rm -rf "$DEBIAN_CACHE"/{archives,lists}/lock
}
