//! `hypwalk schema`: JSON Schemas of the YAML files.

use clap::{Args, ValueEnum};
use device::Description;
use judge::known;
use suite::SuiteFields;
use suite::case_file::CaseFile;

use crate::exit::Exit;
use crate::explain::ExplainFields;
use crate::failure::Failure;
use crate::output::print;

/// Print the JSON Schema of a kind of file, for editors.
#[derive(Debug, Args)]
pub struct Schema {
    /// The kind of file.
    kind: FileKind,
}

/// A kind of YAML file.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum FileKind {
    /// A suite.
    Suite,
    /// A target.
    Target,
    /// A case, or reproducer.
    Case,
    /// Known errata.
    Errata,
    /// A walk to explain.
    Explain,
}

impl FileKind {
    /// Its JSON Schema, as it is kept in suites/schema.
    pub fn schema(self) -> String {
        let schema = match self {
            Self::Suite => schemars::schema_for!(SuiteFields),
            Self::Target => schemars::schema_for!(Description),
            Self::Case => schemars::schema_for!(CaseFile),
            Self::Errata => schemars::schema_for!(known::ErrataFile),
            Self::Explain => schemars::schema_for!(ExplainFields),
        };
        format!("{:#}\n", schema.to_value())
    }
}

impl Schema {
    /// Does it.
    pub fn run(self) -> Result<Exit, Failure> {
        print(self.kind.schema())?;
        Ok(Exit::Conforms)
    }
}
