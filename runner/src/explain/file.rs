//! A YAML file of registers, memory and questions.
//!
//! ```yaml
//! implementation: { pa_bits: 48, features: [FEAT_HAFDBS] }
//! registers: { HCR_EL2: 0x80000001, VTCR_EL2: 0x80053559, VTTBR_EL2: 0x8000_0000 }
//! memory:
//!   words: { 0x8000_0008: 0x4000_07fd }
//! choices: { par_attributes: translated }
//! queries:
//!   - { at: S12E1R, address: 0x4000_1000 }
//!   - { access: store, el: EL0, address: 0x4000_1000 }
//! ```

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use golden::Implementation;
use schemars::JsonSchema;
use serde::Deserialize;
use suite::yaml::{self, Spanned, YamlError};
use vectors::Question;

use super::Scene;
use super::choices::Settled;
use super::image::{Image, ImageFields};
use super::implementation::ImplementationFields;
use super::query::QueryFields;
use super::registers::RegisterFields;

/// A scene, and what is asked of it.
#[derive(Clone, Debug)]
pub struct ExplainFile {
    /// The scene.
    pub scene: Scene,
    /// The questions.
    pub questions: Vec<Question>,
}

/// The keys of the file.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Hypwalk walk to explain")]
pub struct ExplainFields {
    /// What the PE implements: features by name, or raw ID registers.
    #[schemars(with = "ImplementationFields")]
    implementation: Spanned<ImplementationFields>,
    /// Raw values of system registers; those left out are 0.
    #[serde(default)]
    registers: RegisterFields,
    /// Physical memory; what is left out is 0.
    #[serde(default)]
    #[schemars(with = "ImageFields")]
    memory: Image,
    /// What is settled of what the architecture leaves open, by the names of choices; the others are open, and
    /// all outcomes are told.
    #[serde(default)]
    choices: Settled,
    /// What is asked.
    #[schemars(with = "Vec<QueryFields>")]
    queries: Vec<Spanned<QueryFields>>,
}

/// Why a file can't be explained.
#[derive(Debug, thiserror::Error)]
pub enum ExplainFileError {
    /// It can't be read.
    #[error("the file {} can't be read", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is malformed.
    #[error(transparent)]
    Yaml(#[from] YamlError),
}

impl ExplainFile {
    /// Reads and checks a file.
    pub fn read(file: &Path) -> Result<Self, ExplainFileError> {
        let text = fs::read_to_string(file)
            .map_err(|source| ExplainFileError::Unreadable { file: file.to_owned(), source })?;
        Ok(Self::from_text(&text, file)?)
    }

    /// Reads and checks the text of a file; `file` is for messages.
    pub fn from_text(text: &str, file: &Path) -> Result<Self, YamlError> {
        let fields: ExplainFields = yaml::from_str(text, file)?;
        let ExplainFields { implementation, registers, memory, choices, queries } = fields;
        let place = implementation.referenced;
        let implementation = Implementation::try_from(implementation.value)
            .map_err(|problem| YamlError::at(text, file, place, problem))?;
        let question = |query: &Spanned<QueryFields>| {
            let question = query.value.question(&implementation);
            question.map_err(|problem| YamlError::at(text, file, query.referenced, problem))
        };
        let questions = queries.iter().map(question).collect::<Result<_, _>>()?;
        let (registers, profile) = (registers.into(), choices.0);
        Ok(Self { scene: Scene { implementation, registers, memory, profile }, questions })
    }
}
