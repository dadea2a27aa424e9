# shellcheck shell=bash
# The packs' shared library.

for file in output env cache step debian jvm languages; do
    # shellcheck source=/dev/null
    source "$REPO/buildpacks/lib/$file.sh"
done

test_output_has_the_line_grammar() {
    expect "$(topic Building; detail one two; printf 'x\n\ny\n' | indent)" \
        $'-----> Building\n       one\n       two\n       x\n\n       y'
    expect "$(warn careful 2>&1)" ' !     careful'
}

test_fail_ends_the_build_and_is_seen_through_substitutions() {
    cat > compile << COMPILE
set -euo pipefail
source "$REPO/buildpacks/lib/output.sh"
x=\$(fail "It broke." "" "Mend it.")
echo "not reached: \$x"
COMPILE
    expect_failure bash compile
    expect "$OUTPUT" $'\n !     It broke.\n !\n !     Mend it.'
}

test_an_unexpected_failure_is_not_silent() {
    cat > compile << COMPILE
set -euo pipefail
source "$REPO/buildpacks/lib/output.sh"
grep nothing /dev/null
COMPILE
    expect_failure bash compile
    expect_in "$OUTPUT" "in compile, line 3"
}

test_env_is_loaded_byte_for_byte() {
    mkdir env
    printf 'a b\n' > env/KEY
    printf '' > env/EMPTY
    load_env env
    expect "$KEY" $'a b\n'
    expect "${EMPTY-unset}" ''
    # Inherited by what compile starts.
    expect "$(bash -c 'echo "${KEY}"')" 'a b'
}

test_env_cannot_turn_the_build_against_itself() {
    local before=$PATH
    mkdir env
    for name in PATH LD_PRELOAD BASH_ENV GIT_DIR UID BUILD_DIR; do echo hostile > "env/$name"; done
    echo hostile > 'env/not a name'
    # shellcheck disable=SC2016 # must not be expanded
    echo hostile > 'env/a[$(touch owned)]'
    load_env env
    expect "$PATH" "$before"
    expect "${LD_PRELOAD:-}${BASH_ENV:-}${GIT_DIR:-}${BUILD_DIR:-}" ''
    [[ ! -e owned ]]
}

test_env_leaves_the_packs_own_variables_alone() {
    local names name
    # Those that are set before the config vars are loaded.
    names="pack $(sed -nE 's/^([A-Za-z_]+)=.*/\1/p' "$REPO"/buildpacks/{lib,*/steps}/*.sh | sort -u)"
    expect_in "$names" PLUGINS
    mkdir env
    for name in $names; do echo hostile > "env/$name"; done
    load_env env
    expect "$(env | grep hostile || true)" ''
}

test_env_without_a_folder_is_no_env() {
    load_env nowhere
}

test_cache_gives_back_what_was_saved_under_the_same_key() {
    mkdir app
    echo one > app/file
    cache_save cache modules key1 app
    rm -r app
    cache_restore cache modules key1 deep/app
    expect "$(cat deep/app/file)" one
}

test_cache_saved_under_another_key_is_dropped() {
    mkdir app
    cache_save cache modules key1 app
    expect_failure cache_restore cache modules key2 app2
    [[ ! -e app2 && ! -e cache/modules ]]
}

test_cache_is_bounded() {
    mkdir small large
    head -c 3000000 /dev/zero > large/file
    cache_bound small 2
    cache_bound large 2
    cache_bound nowhere 2
    [[ -d small && ! -e large ]]
}

test_a_cache_of_read_only_folders_is_dropped() {
    local as=()
    # Root may write to them, unless it is kept from that.
    ((EUID != 0)) || as=(setpriv --bounding-set=-all)
    mkdir -p modules/example.com/words
    head -c 3000000 /dev/zero > modules/example.com/words/file
    chmod -R a-w modules/example.com
    # shellcheck disable=SC2016 # for the inner shell
    "${as[@]}" bash -euo pipefail -c 'source "$1"; cache_bound modules 2' test "$REPO/buildpacks/lib/cache.sh"
    [[ ! -e modules ]]
}

test_an_apps_files_are_newer_than_what_is_cached() {
    mkdir -p app/src
    touch app/src/file
    ln -s nowhere app/link
    touch --date=1980-01-01 app{,/src,/src/file}
    touch --date=2001-01-01 cached
    renew_times app
    [[ app -nt cached && app/src -nt cached && app/src/file -nt cached && ! -e nowhere ]]
}

test_hash_depends_on_content_and_on_what_exists() {
    echo x > a
    echo y > b
    local both
    both=$(hash_of a b)
    [[ $both != "$(hash_of b a)" && $both != "$(hash_of a)" ]]
    expect "$(hash_of a nowhere)" "$(hash_of a)"
}

test_step_shows_output_and_gives_the_status() {
    local status=0
    step bash -c 'echo out; echo err >&2; exit 7' > shown || status=$?
    expect "$status" 7
    expect "$(cat shown)" $'       out\n       err'
}

test_quietly_shows_output_of_failures_only() {
    expect "$(quietly echo hidden)" ''
    expect_failure quietly bash -c 'echo shown; exit 1'
    expect "$OUTPUT" '       shown'
}

test_the_network_is_blamed_when_it_is_to_blame() {
    echo 'npm error code ENOTFOUND' > "$STEP_LOG"
    expect_in "$(why 'Fix your lock file.')" 'could not be reached'
    echo 'npm error code EUSAGE' > "$STEP_LOG"
    expect "$(why 'Fix your lock file.')" 'Fix your lock file.'
}

test_web_concurrency_is_at_least_one_and_the_apps_own_wins() {
    local profile=$REPO/buildpacks/lib/profile/web-concurrency.sh
    expect "$(env -u WEB_CONCURRENCY WEB_MEMORY=99999999 bash -c ". '$profile'; echo \$WEB_CONCURRENCY")" 1
    expect "$(WEB_CONCURRENCY=7 bash -c ". '$profile'; echo \$WEB_CONCURRENCY")" 7
}

test_memory_is_shared_out_among_processes() {
    local profile=$REPO/buildpacks/lib/profile/web-concurrency.sh
    expect "$(MEMORY_AVAILABLE=2100 bash -c "unset WEB_CONCURRENCY; . '$profile'; echo \$WEB_CONCURRENCY")" 4
}

test_memory_is_what_the_cgroup_allows() {
    local profile=$REPO/buildpacks/lib/profile/0-memory.sh
    mkdir -p one/memory two none
    echo 9223372036854771712 > one/memory/memory.limit_in_bytes
    echo 536870912 > two/memory.max
    echo max > none/memory.max
    while read -r root available; do
        expect "$root $(env -u MEMORY_AVAILABLE CGROUP_ROOT="$root" bash -c ". '$profile'; echo \${MEMORY_AVAILABLE:-unset}")" "$root $available"
    done << 'CASES'
one unset
two 512
none unset
nowhere unset
CASES
    echo 268435456 > one/memory/memory.limit_in_bytes
    expect "$(env -u MEMORY_AVAILABLE CGROUP_ROOT=one bash -c ". '$profile'; echo \$MEMORY_AVAILABLE")" 256
    expect "$(MEMORY_AVAILABLE=77 CGROUP_ROOT=two bash -c ". '$profile'; echo \$MEMORY_AVAILABLE")" 77
}

test_packages_links_lead_to_where_they_are_unpacked() {
    mkdir -p root/etc/jvm root/usr/lib/jvm
    echo found > root/etc/jvm/settings
    ln -s /etc/jvm root/usr/lib/jvm/conf
    ln -s /nowhere root/usr/lib/jvm/other
    make_links_relative "$PWD/root"
    expect "$(cat root/usr/lib/jvm/conf/settings)" found
    expect "$(readlink root/usr/lib/jvm/conf)" ../../../etc/jvm
    expect "$(readlink root/usr/lib/jvm/other)" /nowhere
}

test_archives_that_were_not_needed_go() {
    mkdir -p cache/archives cache/lists
    touch cache/archives/{old,new}.deb
    # shellcheck disable=SC2034 # for debian_close
    DEBIAN_CACHE=cache
    echo new.deb > "$DEBIAN/used"
    debian_close
    expect "$(ls cache/archives)" new.deb
}

test_archives_that_an_earlier_build_has_left_are_counted() {
    mkdir -p cache/archives
    touch cache/archives/{a_1%3a2.deb,b.deb}
    # shellcheck disable=SC2034 # for count_kept
    DEBIAN_CACHE=cache
    expect "$(count_kept $'a_1%3a2.deb\nc.deb')$(count_kept '')" 10
}

test_versions_of_java() {
    while read -r version series; do
        expect "$version $(java_series "$version")" "$version $series"
    done << 'CASES'
17 17
1.8 8
8 8
17.0.9 17
21.0.1+12 21
openjdk-11.0.2 11
zulu-1.8.0_402 8
latest
17; 
CASES
}

test_system_properties() {
    printf '# java.runtime.version=1\r\n java.runtime.version = 17 \r\nmaven.repository.packages: a b\nmaven.repository=debian\n' > system.properties
    expect "$(property java.runtime.version)" 17
    expect "$(property java.runtime)" ''
    expect "$(maven_repository x)" $'x\na\nb'
    echo 'maven.repository=elsewhere' > system.properties
    expect_failure maven_repository x
    expect_in "$OUTPUT" '"elsewhere", is not known'
    rm system.properties
    expect "$(property java.runtime.version)$(maven_repository x)" ''
}

test_database_urls_as_jdbc_has_them() {
    local profile=$REPO/buildpacks/lib/jvm/profile.sh
    expect "$(JAVA_HOME=/java DATABASE_URL='postgres://me:p%40ss@db.example:5432/shop?sslmode=require' bash -c ". '$profile'; echo \$SPRING_DATASOURCE_URL")" \
        'jdbc:postgresql://db.example:5432/shop?user=me&password=p%40ss&sslmode=require'
    # shellcheck disable=SC2016 # for the inner shell
    expect "$(env -u SPRING_DATASOURCE_USERNAME -u SPRING_DATASOURCE_PASSWORD JAVA_HOME=/java \
        DATABASE_URL='postgres://m%65:p%40%C3%BC+100%\n%0A@db.example/shop' bash -c '. "$1"
        echo "$JDBC_DATABASE_URL|$JDBC_DATABASE_USERNAME|$JDBC_DATABASE_PASSWORD|$SPRING_DATASOURCE_USERNAME|$SPRING_DATASOURCE_PASSWORD|"' \
        test "$profile")" \
        $'jdbc:postgresql://db.example/shop?user=m%65&password=p%40%C3%BC%2B100%\\n%0A|me|p@ü+100%\\n\n|me|p@ü+100%\\n\n|'
    expect "$(JAVA_HOME=/java DATABASE_URL=mysql://x JAVA_TOOL_OPTIONS=-Xmx1g bash -c ". '$profile'; echo \"\${JDBC_DATABASE_URL:-none} \$JAVA_TOOL_OPTIONS\"")" \
        'none -XX:MaxRAMPercentage=70 -Dfile.encoding=UTF-8 -Xmx1g'
}

test_archives_are_the_same_each_time() {
    mkdir -p made/META-INF made/b
    echo 'Manifest-Version: 1.0' > made/META-INF/MANIFEST.MF
    for file in b/z b/a; do
        echo "$file" > "made/$file"
        (cd made && zip -q ../one.jar "$file" META-INF/MANIFEST.MF)
        (cd made && zip -q ../other.jar META-INF/MANIFEST.MF "$file")
        touch -d 2001-01-01 made/META-INF/MANIFEST.MF
    done
    repack one.jar
    repack other.jar
    cmp one.jar other.jar
    expect "$(python3 -c 'import zipfile; print(*zipfile.ZipFile("one.jar").namelist())')" 'META-INF/MANIFEST.MF b/a b/z'
}

test_what_is_unpacked_is_found() {
    mkdir -p root/usr/lib/x86_64-linux-gnu
    # shellcheck disable=SC2016 # expanded when a process starts
    expect "$(debian_paths root '$HOME/there')" $'export PATH="$HOME/there/usr/bin:$HOME/there/usr/sbin:$PATH"
export LD_LIBRARY_PATH="$HOME/there/usr/lib/x86_64-linux-gnu${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"'
    rmdir root/usr/lib/x86_64-linux-gnu
    # shellcheck disable=SC2016
    expect "$(debian_paths root there)" 'export PATH="there/usr/bin:there/usr/sbin:$PATH"'
}
