# assemble PACK DEST: lays a pack out as hoist puts it into an environment, the shared library inside.
assemble() {
    mkdir -p "$2"
    cp -a "$REPO/buildpacks/$1/." "$2"
    cp -a "$REPO/buildpacks/lib" "$2/lib"
}
