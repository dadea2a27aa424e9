# shellcheck shell=sh
# Turns the run root into the build root. $1: the root; BUILD_PACKAGES: what to add.
set -eu

rm "$1/root.tar"
# What is there at run time: buildpacks put into slugs only what is not.
cp "$1/var/lib/dpkg/status" "$1/var/lib/dpkg/status.run"
# apt from outside, as mmdebstrap itself does: the root has no resolver.
# shellcheck disable=SC2086 # a list of names
APT_CONFIG="$MMDEBSTRAP_APT_CONFIG" apt-get --yes --option DPkg::Chroot-Directory="$1" install $BUILD_PACKAGES
