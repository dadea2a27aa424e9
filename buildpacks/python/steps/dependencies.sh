# shellcheck shell=bash disable=SC2034,SC2154 # variables shared between the files of the pack
# Filling the virtual environment from whichever lock file the app has.

# The tools that read the other lock files; they run beside the environment, not in it.
PIPENV=pipenv==2024.4.1
POETRY=poetry==2.1.4
UV=uv==0.8.24

# Sets LOCK_FILE and PACKAGE_MANAGER.
choose_package_manager() {
    local file found=()
    for file in requirements.txt Pipfile.lock poetry.lock uv.lock; do
        [[ ! -f $file ]] || found+=("$file")
    done
    case ${#found[@]} in
        0) fail_without_lock_file ;;
        1) LOCK_FILE=${found[0]} ;;
        *)
            # In this order, as users of Heroku know it: what more than one tool left behind is not an error.
            LOCK_FILE=$(printf '%s\n' Pipfile.lock requirements.txt poetry.lock uv.lock | grep -xF -m1 "$(printf '%s\n' "${found[@]}")")
            warn "There are several files with dependencies: ${found[*]}. Using $LOCK_FILE." "Remove the others to make this warning go away."
            ;;
    esac
    case $LOCK_FILE in
        requirements.txt) PACKAGE_MANAGER=pip ;;
        Pipfile.lock) PACKAGE_MANAGER=pipenv ;;
        poetry.lock) PACKAGE_MANAGER=poetry ;;
        uv.lock) PACKAGE_MANAGER=uv ;;
    esac
}

fail_without_lock_file() {
    local what="There is no file that says which packages to install." how
    how=("Add a requirements.txt (an empty one will do if there are none), commit it and push again.")
    if [[ -f Pipfile ]]; then
        what="There is a Pipfile, but no Pipfile.lock."
        how=("Run \`pipenv lock\`, commit Pipfile.lock and push again.")
    elif [[ -f pyproject.toml ]]; then
        what="There is a pyproject.toml, but no lock file."
        how=("Run \`uv lock\` or \`poetry lock\`, commit the lock file and push again; or add a requirements.txt.")
    fi
    fail "$what" "" "${how[@]}"
}

# Fills the environment; development dependencies stay out.
install_dependencies() {
    # Nothing that runs while building leaves byte code with the build's time in it.
    export PYTHONDONTWRITEBYTECODE=1
    export PIP_CACHE_DIR=$CACHE_DIR/downloads/pip PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_PROGRESS_BAR=off
    "install_with_$PACKAGE_MANAGER"
    export PATH=$VENV/bin:$PATH
}

install_with_pip() {
    step pip_install --requirement requirements.txt || fail_packages
}

# Without the line per package that was there already.
pip_install() {
    python3 -m pip --python "$VENV/bin/python" install --no-compile "$@" | { grep --line-buffered -v '^Requirement already' || true; }
}

install_with_pipenv() {
    local requirements hashes=()
    install_tool "$PIPENV"
    quietly "$TOOL/python" -m pipenv verify ||
        fail_step "Pipfile.lock is older than Pipfile." "Run \`pipenv lock\`, commit Pipfile.lock and push again."
    # pip checks hashes for all packages or for none, and those that come from git have none.
    [[ $(jq '.default | all(has("hashes"))' Pipfile.lock) != true ]] || hashes=(--hash)
    requirements=$(mktemp)
    "$TOOL/python" -m pipenv requirements "${hashes[@]}" > "$requirements"
    step pip_install --requirement "$requirements" || fail_packages
    rm "$requirements"
}

fail_packages() {
    fail_step "The packages of $LOCK_FILE could not be installed." \
        "The output above names the package. Does it exist in that version, and for this version of Python?"
}

install_with_poetry() {
    install_tool "$POETRY"
    VIRTUAL_ENV=$VENV POETRY_VIRTUALENVS_CREATE=false POETRY_CACHE_DIR=$CACHE_DIR/downloads/poetry \
        step "$TOOL/python" -m poetry sync --only main --no-root --no-interaction --no-ansi ||
        fail_step "The packages of poetry.lock could not be installed." \
            "If pyproject.toml and poetry.lock do not agree, run \`poetry lock\`, commit poetry.lock and push again."
}

install_with_uv() {
    install_tool "$UV"
    UV_PROJECT_ENVIRONMENT=$VENV UV_CACHE_DIR=$CACHE_DIR/downloads/uv UV_LINK_MODE=copy UV_NATIVE_TLS=1 \
        UV_PYTHON_DOWNLOADS=never UV_PYTHON=/usr/bin/python3 UV_NO_PROGRESS=1 \
        step "$TOOL/uv" sync --locked --no-default-groups --no-install-project ||
        fail_step "The packages of uv.lock could not be installed." \
            "If pyproject.toml and uv.lock do not agree, run \`uv lock\`, commit uv.lock and push again."
}

# install_tool REQUIREMENT: into an environment of its own, kept between builds; sets TOOL to its folder of programs.
install_tool() {
    local home key
    home=$(mktemp -d)/tool
    key="$(python3 --version) $1"
    if ! cache_restore "$CACHE_DIR" "tool-$PACKAGE_MANAGER" "$key" "$home"; then
        detail "Fetching $1"
        python3 -m venv --without-pip "$home"
        quietly python3 -m pip --python "$home/bin/python" install "$1" ||
            fail_step "$1, which reads $LOCK_FILE, could not be installed." "The output above says why."
    fi
    cache_save "$CACHE_DIR" "tool-$PACKAGE_MANAGER" "$key" "$home"
    TOOL=$home/bin
}
