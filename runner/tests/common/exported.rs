//! Cases as programs of their own: built by make, and run.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use case::Case;
use device::Description;
use oracle::learned::Learned;
use runner::export::{Export, NotExported};
use suite::machine::Machine;

use super::folders;
use super::targets::program;

/// A case that was exported.
pub struct Exported {
    folder: PathBuf,
}

/// What make says, and the recipe's exit status by it: 0 where there is no error.
pub struct Said {
    pub text: String,
    pub error: u8,
}

/// What is pinned of the choices of the target that is `described`.
pub fn pinned(described: &Description) -> Learned {
    let pins = described.choices.iter();
    let pins = pins.map(|(choice, answer)| (choice.as_str(), answer.as_str()));
    Learned::new(pins).unwrap_or_else(|error| panic!("{error}"))
}

impl Exported {
    /// Exports `case`, which is of `machine`, for the target that is `described`, to a folder called `name`.
    pub fn new(
        case: &Case,
        machine: &Machine,
        described: &Description,
        name: &str,
    ) -> Result<Self, NotExported> {
        let export = Export::new(case, machine, described, &pinned(described), Vec::new())?;
        let folder = folders::empty(name);
        for (name, text) in export.files().expect("it is rendered") {
            fs::write(folder.join(name), text).expect("it can be written");
        }
        Ok(Self { folder })
    }

    /// The program.
    pub fn text(&self) -> String {
        fs::read_to_string(self.folder.join("case.S")).expect("it was written")
    }

    /// The program with `new` in the place of `old`.
    pub fn changed(self, old: &str, new: &str) -> Self {
        let text = self.text();
        assert!(text.contains(old), "{old} is not in {text}");
        fs::write(self.folder.join("case.S"), text.replace(old, new)).expect("it can be written");
        self
    }

    /// Has make do this.
    pub fn make(&self, arguments: &[&str]) -> Said {
        let qemu = format!("QEMU={}", program().display());
        let mut command = Command::new("make");
        command.arg("-C").arg(&self.folder).arg(qemu).args(arguments);
        let output = command.output().expect("make is there");
        let said = [output.stdout, output.stderr];
        let text = said.map(|said| String::from_utf8_lossy(&said).into_owned()).concat();
        let error = text.rsplit_once("] Error ").map_or("0", |(_, error)| error.trim());
        let error = error.parse().unwrap_or(u8::MAX);
        assert_eq!(output.status.success(), error == 0, "{text}");
        Said { text, error }
    }

    /// Builds it and runs it.
    pub fn run(&self) -> Said {
        self.make(&["run"])
    }
}

impl Said {
    /// It ends with this status, and a line that begins with these words.
    pub fn is(&self, error: u8, words: &str) {
        let is_there = self.text.lines().any(|line| line.starts_with(words));
        assert!(self.error == error && is_there, "not {words}: {}", self.text);
    }
}
