//! What commands print.

use std::fmt::Display;
use std::fs;
use std::io::{self, ErrorKind, Write as _};
use std::path::Path;

use crate::exit::Exit;
use crate::failure::Failure;

/// Prints `text` on standard output. A reader that has gone away, such as `head`, is no failure.
pub fn print(text: impl Display) -> Result<(), Failure> {
    let mut output = io::stdout().lock();
    match write!(output, "{text}").and_then(|()| output.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(not_printed(error)),
        _ => Ok(()),
    }
}

/// Writes `text` to `file`, in place of what was there.
pub fn save(file: &Path, text: &str) -> Result<(), Failure> {
    fs::write(file, text).map_err(|error| {
        let told = format!("{} can't be written: {error}", file.display());
        Failure::new(Exit::Results, told).help("name another file with --output")
    })
}

/// Prints a remark on standard error, where it may get lost.
pub fn remark(text: impl Display) {
    let _ = writeln!(io::stderr(), "{text}");
}

fn not_printed(error: io::Error) -> Failure {
    Failure::new(Exit::Results, format!("standard output can't be written: {error}"))
}
