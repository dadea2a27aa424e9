# shellcheck shell=sh
# Prepares the root of a stack once its packages for running are in. $1: the root.
set -eu

chroot "$1" useradd --uid 1000 --user-group --home-dir /app --create-home --shell /bin/bash app
# An app's home starts empty: skeleton files would be part of every slug.
find "$1/app" -mindepth 1 -delete

# mmdebstrap lends the host's name and resolver; an environment brings its own.
rm -f "$1/etc/hostname" "$1/etc/resolv.conf"
touch "$1/etc/hostname" "$1/etc/resolv.conf"
printf '127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n' > "$1/etc/hosts"
