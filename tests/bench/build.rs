//! Builds the command of measured runs by itself: without a runtime it fits none of cargo's profiles.

use std::{env, path::Path, process::Command};

fn main() {
    println!("cargo::rerun-if-changed=stamp/main.rs");
    let variable = |name: &str| env::var(name).expect("cargo sets it");
    let stamp = Path::new(&variable("OUT_DIR")).join("stamp");
    let status = Command::new(variable("RUSTC"))
        .args(["--edition", "2024", "--crate-name", "stamp", "--target", &variable("TARGET")])
        .args(["-C", "opt-level=2", "-C", "panic=abort", "-C", "relocation-model=static"])
        .args(["-C", "link-arg=-nostartfiles", "-C", "link-arg=-nostdlib", "-C", "link-arg=-static"])
        .args(["-D", "warnings", "-o"])
        .arg(&stamp)
        .arg("stamp/main.rs")
        .status()
        .expect("the compiler is there");
    assert!(status.success(), "stamp/main.rs cannot be built: {status}");
}
