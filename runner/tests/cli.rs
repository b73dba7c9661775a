//! What users see: transcripts in `tests/cli`, each with its exit code.
//!
//! `TRYCMD=overwrite cargo test -p runner --test cli` writes them anew.

#[test]
fn transcripts() {
    trycmd::TestCases::new()
        .register_bin("hypwalk", std::path::Path::new(env!("CARGO_BIN_EXE_hypwalk")))
        .case("tests/cli/*.md");
}
