# shellcheck shell=sh
# Packs the root as it stands into itself, at /root.tar, without what package clients left behind. $1: the root.
#
# mmdebstrap's own output would do for the last state only, and leaves out the empty /dev that environments mount on.
set -eu

root=$1
pack() {
    tar --file "$root/root.tar" --sort=name --numeric-owner --format=gnu --clamp-mtime --mtime="@$SOURCE_DATE_EPOCH" "$@"
}

pack --create --directory "$root" \
    --exclude='./root.tar' --exclude='*/__pycache__' \
    --exclude='./proc' --exclude='./sys' --exclude='./dev/*' --exclude='./run/*' --exclude='./tmp/*' \
    --exclude='./var/lib/apt/lists/*' --exclude='./var/lib/dpkg/*-old' --exclude='./var/log/*' --exclude='./var/cache/*/*' \
    --exclude='./etc/apt/apt.conf.d/*mmdebstrap' --exclude='./etc/dpkg/dpkg.cfg.d/*mmdebstrap' \
    .

# Something is mounted on these two meanwhile, of an owner that differs with the mode mmdebstrap runs in.
mkdir -p "$root/tmp/mounts/proc" "$root/tmp/mounts/sys"
pack --append --directory "$root/tmp/mounts" --owner=0 --group=0 --mode=0555 ./proc ./sys
