# shellcheck shell=bash
# Running packs and apps inside a stack's roots, as builds and dynos do. Needs root, and the unpacked roots'
# folders in BUILD_ROOT and RUN_ROOT.

# in_root ROOT WORK COMMAND…: runs a command as uid 1000 on an overlay over ROOT, with WORK mounted at /trial and a
# bare environment. What it writes elsewhere is gone afterwards.
in_root() {
    local root=$1 work=$2
    shift 2
    # shellcheck disable=SC2016 # for the inner shell
    unshare --mount --pid --fork --kill-child bash -euc '
        root=$1 work=$2
        shift 2
        scratch=$(mktemp -d)
        mount -t tmpfs none "$scratch"
        mkdir "$scratch"/{upper,work,root}
        mount -t overlay -o "lowerdir=$root,upperdir=$scratch/upper,workdir=$scratch/work" none "$scratch/root"
        cd "$scratch/root"
        mkdir trial
        # Roots that hoist has unpacked have owners of their own.
        chown 1000:1000 app
        mount --bind "$work" trial
        mount --rbind /dev dev
        mount -t proc none proc
        mount -t tmpfs none tmp
        cat /etc/resolv.conf > etc/resolv.conf
        cat /etc/ssl/certs/ca-certificates.crt > etc/ssl/certs/ca-certificates.crt
        bundle=/etc/ssl/certs/ca-certificates.crt
        exec /usr/sbin/chroot --userspec=1000:1000 . /usr/bin/env -i PATH=/usr/local/bin:/usr/bin:/bin HOME=/app STACK=debian-12 \
            SSL_CERT_FILE=$bundle CURL_CA_BUNDLE=$bundle NODE_EXTRA_CA_CERTS=$bundle PIP_CERT=$bundle \
            REQUESTS_CA_BUNDLE=$bundle GIT_SSL_CAINFO=$bundle ${TEST_ENV:-} \
            "$@"
    ' in_root "$root" "$work" "$@"
}

# prepare_work WORK APP: lays out one app's build: build/, cache/, env/.
prepare_work() {
    mkdir -p "$1"/{cache,env,packs}
    rm -rf "$1/build"
    cp -a "$2" "$1/build"
    chown -R 1000:1000 "$1"
}

# compile WORK PACK…: detects and compiles with one pack after the other, in one environment.
compile() {
    local work=$1 pack
    shift
    for pack in "$@"; do
        rm -rf "$work/packs/$pack"
        assemble "$pack" "$work/packs/$pack"
    done
    chown -R 1000:1000 "$work/packs"
    # shellcheck disable=SC2016 # for the inner shell
    in_root "$BUILD_ROOT" "$work" bash -euc '
        cp -a /trial/build /tmp/build_0123abcd
        for pack in "$@"; do
            cd "/trial/packs/$pack"
            bin/detect /tmp/build_0123abcd
            bin/compile /tmp/build_0123abcd /trial/cache /trial/env
            [[ ! -f export ]] || source ./export
        done
        bin/release /tmp/build_0123abcd > /trial/release.yml
        rm -rf /trial/slug
        cp -a /tmp/build_0123abcd /trial/slug
    ' compile "$@"
}

# fetch WORK COMMAND PATH: starts a web process from the slug in the run root and fetches one page from it.
fetch() {
    # shellcheck disable=SC2016 # for the inner shell
    in_root "$RUN_ROOT" "$1" bash -euc '
        cp -a /trial/slug/. /app/
        cd /app
        export PORT=0
        PORT=$(python3 -c "import socket; s = socket.socket(); s.bind((\"127.0.0.1\", 0)); print(s.getsockname()[1])")
        set +u
        for script in .profile.d/*.sh; do [[ ! -f $script ]] || source "$script"; done
        bash -c "$1" > /tmp/web.log 2>&1 &
        for _ in {1..150}; do curl --silent --fail --max-time 10 "http://127.0.0.1:$PORT$2" && exit; sleep 0.2; done
        cat /tmp/web.log
        exit 1
    ' fetch "$2" "$3"
}

# slug_digest WORK: over names, modes and bytes of the slug.
slug_digest() {
    tar --create --directory "$1/slug" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner . | sha256sum
}
