# shellcheck shell=bash disable=SC2034,SC2154 # variables shared between the files of the pack
# For hosts that reach no repository of Maven's, and so no sbt: Debian's compiler alone.

# Compiles src/main/scala, with the archives in lib/, to where sbt's stage would leave it. build.sbt is not read, and that is said.
compile_with_scalac() {
    local sources library stage=target/universal/stage/lib scala=$TOOLS/usr/share/scala-2.11
    warn "system.properties says maven.repository=debian: build.sbt is not used."
    mapfile -t sources < <(find src/main/scala -name '*.scala' 2> /dev/null | LC_ALL=C sort)
    ((${#sources[@]} > 0)) || fail "There is no Scala in src/main/scala, which is what is compiled without sbt." \
        "" "Move it there, or remove maven.repository from system.properties to build with sbt."
    library=$(realpath "$scala/lib/scala-library.jar")
    detail "Scala $(debian_version scala) of Debian's packages, ${#sources[@]} files"
    rm -rf target
    mkdir -p "$stage" "$DEBIAN/classes"
    step bash "$scala/bin/scalac" -nobootcp -classpath "$library:$(printf '%s:' lib/*.jar)" -d "$DEBIAN/classes" "${sources[@]}" ||
        fail_step "The app could not be compiled." "The output above says why."
    [[ ! -d src/main/resources ]] || cp -R src/main/resources/. "$DEBIAN/classes"
    quietly jar --create --file "$stage/app.jar" -C "$DEBIAN/classes" . || fail_step "The app's archive could not be made."
    repack "$stage/app.jar"
    cp "$library" "$stage/scala-library.jar"
    find lib -maxdepth 1 -name '*.jar' -exec cp -t "$stage" {} + 2> /dev/null || true
    detail "Built $stage/app.jar"
}
