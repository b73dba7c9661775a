//! What users and other programs are shown: transcripts beside this file, each with its exit code, and reports.
//!
//! `TRYCMD=overwrite cargo test -p runner --test cli transcripts` writes the transcripts anew.

#[path = "../common"]
mod common {
    pub mod folders;
    pub mod hypwalk;
}

mod formats;

use common::folders::root;
use common::hypwalk::{Said, hypwalk};

#[test]
fn transcripts() {
    trycmd::TestCases::new()
        .register_bin("hypwalk", std::path::Path::new(env!("CARGO_BIN_EXE_hypwalk")))
        .case("tests/cli/*.md");
}

#[test]
#[cfg(target_os = "linux")]
fn output_that_can_not_be_written_is_told_and_a_reader_that_leaves_is_not() {
    use std::fs::File;
    use std::io::Read as _;
    use std::process::Stdio;

    let schema = || {
        let mut command = hypwalk();
        command.args(["schema", "suite"]).stderr(Stdio::piped());
        command
    };
    let full = File::options().write(true).open("/dev/full").unwrap();
    let said = Said::by(schema().stdout(full));
    assert_eq!(said.code, Some(4));
    let told = said.all();
    assert!(told.starts_with("error: standard output can't be written: No space left"), "{told}");

    let mut child = schema().stdout(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let mut told = String::new();
    child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
    assert_eq!((child.wait().unwrap().code(), told.as_str()), (Some(0), ""));
}

#[test]
fn the_manual_lists_the_exit_codes() {
    use runner::exit::Exit;

    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    for exit in Exit::ALL {
        let line = format!("| {} | {} |\n", exit.code(), exit.meaning());
        assert!(readme.contains(&line), "{line}");
    }
}
