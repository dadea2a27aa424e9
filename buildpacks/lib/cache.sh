# shellcheck shell=bash
# Folders kept between builds of an app. The cache that compile gets is a copy which is kept only when the build
# succeeds: things may be moved out of it.

# cache_restore CACHE_DIR NAME KEY DEST: moves the folder saved as NAME to DEST. Fails, and drops it, when it was
# saved under another key.
cache_restore() {
    local saved=$1/$2 key=$3 dest=$4
    if [[ -d $saved/content && $(cat "$saved/key" 2> /dev/null) == "$key" ]]; then
        mkdir -p "$(dirname "$dest")"
        rm -rf "$dest"
        mv "$saved/content" "$dest"
        return 0
    fi
    rm -rf "$saved"
    return 1
}

# cache_save CACHE_DIR NAME KEY SOURCE: keeps a copy of a folder for the next build.
cache_save() {
    local saved=$1/$2 key=$3 source=$4
    rm -rf "$saved"
    mkdir -p "$saved"
    cp -a "$source" "$saved/content"
    echo "$key" > "$saved/key"
}

# cache_bound DIR MEBIBYTES: empties a package client's own cache once it has grown past a size.
cache_bound() {
    [[ -d $1 ]] || return 0
    (($(du -sm "$1" | cut -f1) <= $2)) && return
    # What is in a folder that may not be written to cannot be removed.
    rm -rf "$1" 2> /dev/null || { chmod -R u+w "$1"; rm -rf "$1"; }
}

# renew_times DIR: all files of an app come with the same old time. Tools that go by times would take what they have left in the
# cache to be newer.
renew_times() {
    find "$1" -exec touch --no-dereference {} +
}

# hash_of FILE…: one hash over the content of the files that exist.
hash_of() {
    local file
    for file in "$@"; do
        [[ ! -f $file ]] || sha256sum < "$file"
    done | sha256sum | cut -c1-64
}
