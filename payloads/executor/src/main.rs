//! Hypwalk's EL2 payload. Built for any other target than `aarch64-unknown-none-softfloat`, it only
//! says so: all of it that needs no machine is in the library.

#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod payload;

#[cfg(not(target_os = "none"))]
fn main() {
    eprintln!("executor: runs at EL2 of the machine under test; let `hypwalk` build and start it");
    std::process::exit(2);
}
