# shellcheck shell=bash
export PATH="$HOME/target/release:$PATH"
