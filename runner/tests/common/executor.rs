//! The executor's image, built once in a program of tests.

use std::sync::LazyLock;

use payload::{Executor, Options, Wish};

/// The executor as it is delivered.
pub static EXECUTOR: LazyLock<Executor> = LazyLock::new(|| built(false));

/// Builds an executor.
pub fn built(self_test: bool) -> Executor {
    let toolchain = Wish::from_environment().unwrap_or_else(|error| panic!("{error}"));
    let built = payload::build(&Options { toolchain, self_test });
    let built = built.unwrap_or_else(|error| panic!("{error}"));
    Executor::open(&built.elf).unwrap_or_else(|error| panic!("{error}"))
}
