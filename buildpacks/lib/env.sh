# shellcheck shell=bash
# The app's config vars, as compile gets them: one file per variable in ENV_DIR.

# Exports the config vars that cannot turn the build's own tools and scripts against it.
load_env() {
    local file name value
    [[ -d $1 ]] || return 0
    for file in "$1"/*; do
        name=${file##*/}
        [[ -f $file && $name =~ ^[A-Za-z_][A-Za-z0-9_]*$ ]] || continue
        case $name in
            PATH | HOME | PWD | OLDPWD | IFS | SHLVL | SHELLOPTS | BASHOPTS | BASH_ENV | ENV | LANG) continue ;;
            GIT_DIR | CPATH | CPPATH | LD_PRELOAD | LD_LIBRARY_PATH | LIBRARY_PATH | PYTHONHOME) continue ;;
            BUILD_DIR | CACHE_DIR | ENV_DIR | STACK | REQUEST_ID | SOURCE_VERSION | DYNO) continue ;;
            # What the packs call their own.
            pack | EXPLAINED | STEP_LOG | DEBIAN | DEBIAN_CACHE | DEBIAN_WHAT | DEFAULT_EXTENSIONS | DEFAULT_NPM | DEFAULT_PNPM) continue ;;
            DEFAULT_YARN | LAUNCHERS | PIPENV | PLUGINS | PNPM_INSTALL | POETRY | RUSTUP | UV | VENV) continue ;;
            # Read-only in bash: assigning would end the script.
            UID | EUID | PPID | BASH_VERSINFO) continue ;;
        esac
        # Unlike `$(<file)`, keeps a value's last newline.
        IFS= read -r -d '' value < "$file" || true
        export "$name=$value"
    done
}
