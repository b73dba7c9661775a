//! Files by path or by bare name.

use std::fs;
use std::path::{Path, PathBuf};

use crate::exit::Exit;
use crate::failure::Failure;

/// A kind of file that is delivered with Hypwalk, and can be called by its bare name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shelf {
    /// `suites/*.yaml`.
    Suites,
    /// `suites/targets/*.yaml`.
    Targets,
    /// `suites/errata/*.yaml`.
    Errata,
}

impl Shelf {
    const fn noun(self) -> &'static str {
        match self {
            Self::Suites => "suite",
            Self::Targets => "target",
            Self::Errata => "errata",
        }
    }

    /// The shelf itself, where it is to be found.
    pub fn folder(self) -> Option<PathBuf> {
        self.folders().into_iter().find(|folder| folder.is_dir())
    }

    const fn place(self) -> &'static str {
        match self {
            Self::Suites => "suites",
            Self::Targets => "suites/targets",
            Self::Errata => "suites/errata",
        }
    }

    /// The file that `argument` means: a path, or the bare name of a file on the shelf.
    ///
    /// The shelf is that of the working directory, or else that of the sources the program was built
    /// from.
    pub fn find(self, argument: &Path) -> Result<PathBuf, Failure> {
        if argument.is_file() {
            return Ok(argument.to_owned());
        }
        let noun = self.noun();
        let is_path = argument.components().count() != 1 || argument.extension().is_some();
        if is_path {
            let error = format!("there is no {noun} file {}", argument.display());
            return Err(Failure::new(Exit::Usage, error));
        }
        let file = argument.with_extension("yaml");
        let found = self.folders().into_iter().map(|folder| folder.join(&file));
        found.into_iter().find(|file| file.is_file()).ok_or_else(|| {
            let error = format!("there is no {noun} called `{}`", argument.display());
            let failure = Failure::new(Exit::Usage, error);
            match &*self.names() {
                [] => failure.help(format!("give the path of a {noun} file")),
                names => failure.help(format!("there are {}", names.join(", "))),
            }
        })
    }

    fn folders(self) -> [PathBuf; 2] {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."));
        [PathBuf::from(self.place()), source.join(self.place())]
    }

    /// The bare names of what is on the shelf, sorted.
    pub fn names(self) -> Vec<String> {
        let entries = self.folders().into_iter().filter_map(|folder| fs::read_dir(folder).ok());
        let files = entries.flatten().flatten().map(|entry| entry.path());
        let yaml = files.filter(|file| file.extension().is_some_and(|ending| ending == "yaml"));
        let name = |file: PathBuf| Some(file.file_stem()?.to_str()?.to_owned());
        let mut names: Vec<String> = yaml.filter_map(name).collect();
        names.sort();
        names.dedup();
        names
    }
}
