# shellcheck shell=bash disable=SC2034,SC2154 # variables shared between the files of the pack
# Which Python the app asks for, and whether the stack has it.

# Ends the build when the app asks for a Python that the stack does not have.
check_python_version() {
    local file asked have
    command -v python3 > /dev/null || fail "This stack has no Python." "" "Use a stack that has one, such as debian-12."
    have=$(python3 -c 'import platform; print(platform.python_version())')
    asked=$(asked_version)
    file=${asked#* }
    asked=${asked%% *}
    if [[ -z $asked ]]; then
        detail "Python $have of the stack (the app asks for none: add a .python-version file to be told when that changes)"
    elif [[ $(major_minor "$asked") != $(major_minor "$have") ]]; then
        fail "The app asks for Python $asked in $file, but this stack has Python $have." \
            "" \
            "Change $file to $(version_line "$file" "$(major_minor "$have")") if the app runs on it, or set a stack with the Python it needs."
    else
        [[ $asked != *.*.* || $asked == "$have" ]] ||
            warn "The app asks for Python $asked in $file; this stack has $have, which is used in its place."
        detail "Python $have of the stack ($file: $asked)"
    fi
}

# asked_version: prints "VERSION FILE", or a blank when no file asks.
asked_version() {
    local line
    if [[ -f .python-version ]]; then
        line=$(grep -vE '^[[:space:]]*(#|$)' .python-version | head -1 | tr -d '[:space:]') || true
        parse_version .python-version "$line"
    elif [[ -f runtime.txt ]]; then
        line=$(tr -d '[:space:]' < runtime.txt)
        [[ $line == python-* ]] || bad_version runtime.txt "$line"
        parse_version runtime.txt "${line#python-}"
    else
        echo " "
    fi
}

parse_version() {
    [[ $2 =~ ^3\.[0-9]+(\.[0-9]+)?$ ]] || bad_version "$1" "$2"
    echo "$2 $1"
}

bad_version() {
    fail "$1 should hold a version of Python, but it holds \"$2\"." "" "Write $(version_line "$1" 3.11) into it."
}

version_line() {
    if [[ $1 == runtime.txt ]]; then echo "\"python-$2\""; else echo "\"$2\""; fi
}

major_minor() {
    cut -d. -f1,2 <<< "$1"
}
