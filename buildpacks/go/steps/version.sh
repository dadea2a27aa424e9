# shellcheck shell=bash disable=SC2034,SC2154 # variables shared between the files of the pack
# Which Go the app asks for, and getting it. It is needed for building only: nothing of it is in the slug.

# Sets ASKED (as 1.23 or 1.23.4; "" when nothing asks) and ASKED_BY. GOVERSION wins over a heroku comment, which wins over what
# go itself reads.
read_go_version() {
    local comment toolchain language
    comment=$(sed -nE 's#^// \+heroku goVersion +([^ ]+).*#\1#p' go.mod | head -1)
    toolchain=$(sed -nE 's/^toolchain +([^ ]+).*/\1/p' go.mod | head -1)
    language=$(sed -nE 's/^go +([^ ]+).*/\1/p' go.mod | head -1)
    [[ $toolchain != default ]] || toolchain=
    ASKED=${GOVERSION:-${comment:-${toolchain:-$language}}}
    ASKED_BY="go.mod"
    [[ -z ${GOVERSION:-} ]] || ASKED_BY="the config var GOVERSION"
    ASKED=${ASKED#go}
    [[ -z $ASKED || $ASKED =~ ^1(\.[0-9]+){1,2}((rc|beta)[0-9]+)?$ ]] || fail \
        "$ASKED_BY asks for Go \"$ASKED\", which is no version of Go." "" "Write it as \"go 1.23\" or \"toolchain go1.23.4\"."
}

# Puts go on the PATH: the series that is asked for if it is packaged, otherwise the newest, which builds what older ones do.
install_go() {
    local series newest home=$DEBIAN/go
    debian_open "$CACHE_DIR" Go
    newest=$(debian_versions 'golang-(1\.[0-9]+)-go' | tail -1)
    series=$(debian_versions 'golang-(1\.[0-9]+)-go' | grep -xF "$(cut -d. -f1,2 <<< "${ASKED%%[rb]*}")" || echo "$newest")
    [[ -n $series ]] || fail "Debian's packages of this stack have no Go."
    debian_unpack build "$home" "golang-$series-go"
    export PATH=$home/usr/lib/go-$series/bin:$PATH
    choose_toolchain
    # Asking takes it from where it is.
    quietly go version || fail_step "Go $ASKED, for which $ASKED_BY asks, could not be fetched; Debian's packages have $series." \
        "Is there such a version? https://go.dev/doc/devel/release lists them."
    detail "$(sed -E 's/go version go([^ ]+).*/Go \1/' "$STEP_LOG") (${ASKED:+$ASKED_BY: }${ASKED:-no version in go.mod})"
}

# Go fetches a newer one by itself, as a module. Otherwise the packaged one builds, whichever patch go.mod names.
choose_toolchain() {
    local have
    export GOTOOLCHAIN=local GOMODCACHE=$CACHE_DIR/modules
    # Read-only folders could not be dropped from the cache.
    export GOFLAGS="-modcacherw ${GOFLAGS:-}"
    have=$(cd / && go env GOVERSION)
    have=${have#go}
    [[ -n $ASKED && $(printf '%s\n' "$have" "$ASKED" | sort -V | tail -1) != "$have" ]] || return 0
    if [[ $(printf '%s\n' 1.21 "$have" | sort -V | head -1) != 1.21 ]]; then
        fail "The app asks for Go $ASKED in $ASKED_BY, but this stack's packages have Go $have." \
            "" "Change it to ${have%.*} if the app can be built with it, or set a stack that has a newer one."
    fi
    # Before toolchains had a line of their own, a series was named without a patch.
    [[ $ASKED == 1.*.* || $ASKED == *[rb]* ]] || ASKED=$ASKED.0
    export GOTOOLCHAIN=go$ASKED
}
