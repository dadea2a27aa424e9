//! Tells cargo that these folders are part of the executable (`include_dir!` cannot on its own).

fn main() {
    println!("cargo::rerun-if-changed=buildpacks");
    println!("cargo::rerun-if-changed=stacks");
}
