# shellcheck shell=bash disable=SC2034,SC2154 # variables shared between the files of the pack
# Which Rust the app asks for, and getting it. It is needed for building only: nothing of it is in the slug.

RUSTUP=https://static.rust-lang.org/rustup/dist

# Sets CHANNEL: what rust-toolchain.toml, or rust-toolchain in either of its forms, asks for; "" when nothing does.
read_channel() {
    local file
    CHANNEL='' CHANNEL_FILE=''
    for file in rust-toolchain rust-toolchain.toml; do
        [[ -f $file && -z $CHANNEL_FILE ]] || continue
        CHANNEL_FILE=$file
        CHANNEL=$(sed -nE 's/^[[:space:]]*channel[[:space:]]*=[[:space:]]*["'\'']([^"'\'']*)["'\''].*/\1/p' "$file" | head -1)
        [[ -n $CHANNEL || $file == *.toml ]] || CHANNEL=$(grep -m1 . "$file" | tr -d '[:space:]') || true
    done
    [[ -z $CHANNEL_FILE || $CHANNEL =~ ^(stable|beta|nightly|[0-9]+\.[0-9]+(\.[0-9]+)?)(-[A-Za-z0-9_-]+)?$ ]] || fail \
        "$CHANNEL_FILE asks for Rust \"$CHANNEL\", which is no release channel." "" "Write it as: channel = \"1.85\""
}

# Puts cargo on the PATH: Debian's, unless the app asks for one that it is not.
install_rust() {
    local package version packaged=''
    if [[ $CHANNEL =~ ^(stable)?$ || $CHANNEL =~ ^[0-9]+\.[0-9]+$ ]]; then
        debian_open "$CACHE_DIR" Rust
        # Debian keeps this one current, for what browsers are built with.
        package=$(debian_versions '(cargo-web|cargo)' | tail -1)
        version=$(debian_version "${package:-none}")
        if [[ -n $version && ($CHANNEL =~ ^(stable)?$ || $version == "$CHANNEL".*) ]]; then
            debian_unpack build "$DEBIAN/rust" "$package"
            eval "$(debian_paths "$DEBIAN/rust" "$DEBIAN/rust")"
            rm -rf "$CACHE_DIR"/rustup-*
            packaged=$package
        fi
    fi
    # The stack's own will do only where the app asks for none.
    if [[ -n $CHANNEL && -z $packaged ]] || ! command -v cargo > /dev/null; then
        install_with_rustup
    fi
    quietly rustc --version || fail_step "Rust was fetched, but does not run." "The output above says why."
    detail "Rust $(cut -d' ' -f2 "$STEP_LOG") (${CHANNEL_FILE:-no rust-toolchain.toml}${CHANNEL:+: $CHANNEL})"
}

# With the components and targets of rust-toolchain.toml, which rustup reads itself if no channel is named.
install_with_rustup() {
    local home program=$DEBIAN/rustup-init triple wanted=() hint="The output above says why."
    triple=$(uname -m)-unknown-linux-gnu
    home=$CACHE_DIR/rustup-$(hash_of "$CHANNEL_FILE")
    rm -rf "$CACHE_DIR/debian"
    find "$CACHE_DIR" -maxdepth 1 -name 'rustup-*' ! -path "$home" -exec rm -rf {} +
    export RUSTUP_HOME=$home CARGO_HOME=$CACHE_DIR/cargo RUSTUP_INIT_SKIP_PATH_CHECK=yes
    if [[ ! -x $CARGO_HOME/bin/rustup || ! -d $home ]]; then
        quietly curl --fail --silent --show-error --location --max-time 300 --retry 2 --output "$program" "$RUSTUP/$triple/rustup-init" ||
            fail_step "rustup, which fetches Rust ${CHANNEL:-stable}, could not be downloaded." "The output above says why."
        chmod +x "$program"
        quietly "$program" -y --no-modify-path --profile minimal --default-toolchain none ||
            fail_step "rustup could not be installed." "The output above says why."
    fi
    export PATH=$CARGO_HOME/bin:$PATH
    if [[ -n $CHANNEL_FILE ]]; then
        hint="Is there such a version? Leave $CHANNEL_FILE out to use the one of Debian's packages."
    else
        wanted=(stable)
        export RUSTUP_TOOLCHAIN=stable
    fi
    quietly rustup toolchain install --no-self-update --profile minimal "${wanted[@]}" || fail_step \
        "Rust ${CHANNEL:-stable}${CHANNEL_FILE:+, for which $CHANNEL_FILE asks,} could not be installed." "$hint"
}
