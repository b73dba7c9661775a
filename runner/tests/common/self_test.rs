//! The executor with operations that hurt the executor itself.

use std::sync::LazyLock;

use payload::Executor;

use super::executor::{EXECUTOR, built};

/// Built once in a program of tests, and not while the other one is built.
pub static SELF_TEST: LazyLock<Executor> = LazyLock::new(|| {
    LazyLock::force(&EXECUTOR);
    built(true)
});
