# shellcheck shell=bash
# What a pack leaves for the app's processes.

# leave_for_run_time PACK NAME: scripts that every process sources before it starts, the pack's own as NAME.sh.
leave_for_run_time() {
    mkdir -p .profile.d
    cp "$1/steps/profile.sh" ".profile.d/$2.sh"
    cp "$1"/lib/profile/*.sh .profile.d/
}
