//! Passes the linker what makes the payload a position-independent flat image.

use std::env;

fn main() {
    let here = env::var("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR");
    // By its whole path: where the repository has been moved it is missing, and the path below is old.
    println!("cargo:rerun-if-changed={here}/image.ld");
    if env::var("CARGO_CFG_TARGET_OS").as_deref() != Ok("none") {
        return;
    }
    let arguments = [
        format!("-T{here}/image.ld"),
        // Every absolute address becomes an R_AARCH64_RELATIVE that the start code applies.
        "-pie".into(),
        "--no-dynamic-linker".into(),
        // Read-only data holds absolute addresses too. They are applied before anything is mapped
        // read-only.
        "-znotext".into(),
        // What is mapped with its own permissions lies in 64 KB pages of its own.
        "-zmax-page-size=65536".into(),
        "-zseparate-loadable-segments".into(),
        "--orphan-handling=error".into(),
        "--build-id=none".into(),
        // ADRP in the last words of a page may go wrong on a Cortex-A53: such code is moved.
        "--fix-cortex-a53-843419".into(),
        "--fatal-warnings".into(),
    ];
    for argument in arguments {
        println!("cargo:rustc-link-arg-bins={argument}");
    }
}
