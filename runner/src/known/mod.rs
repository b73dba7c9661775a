//! Known issues: what a target is known to do wrong, and what it is called.
//!
//! ```text
//!   suites/known-issues/*.yaml --Rules::read--> Rules --for_target--> Known
//!                                                                       |
//!            a probe that does not conform --Symptom--> named? ---------+--> verdict `known`
//! ```
//!
//! A rule never changes what the architecture allows: the reference walker knows nothing of it. It
//! gives a name to a difference that has been explained, so that others show.

mod rule;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::suite::yaml::{self, YamlError};
pub use rule::{File, Rule, RuleFields, Symptom};

/// The known issues of all targets.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Rules(Vec<Rule>);

/// Known issues that can't be read.
#[derive(Debug, thiserror::Error)]
pub enum KnownError {
    /// A file or folder can't be read.
    #[error("the known issues in {} can't be read", path.display())]
    Unreadable {
        /// Where they should be.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file is no list of rules.
    #[error(transparent)]
    Yaml(#[from] YamlError),
    /// Two rules have the same name.
    #[error("{}: there are two known issues called `{name}`", file.display())]
    Twice {
        /// The file of the second.
        file: PathBuf,
        /// The name.
        name: String,
    },
}

/// How a known issue showed in a campaign.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shown {
    /// What it is.
    pub reference: String,
    /// How many probes showed it.
    pub probes: u64,
    /// How many cases had what it takes for it to show. Many such, and no probe, and it is mended.
    pub cases: u64,
}

/// The known issues of one target, and how they show.
#[derive(Clone, Debug, Default)]
pub struct Known {
    rules: Vec<Rule>,
    shown: BTreeMap<String, Shown>,
}

impl Rules {
    /// Reads the rules in `path`: a file, or all `.yaml` files of a folder.
    pub fn read(path: &Path) -> Result<Self, KnownError> {
        let unreadable = |source| KnownError::Unreadable { path: path.to_owned(), source };
        let mut files = Vec::new();
        if path.is_dir() {
            for entry in fs::read_dir(path).map_err(unreadable)? {
                let file = entry.map_err(unreadable)?.path();
                if file.extension().is_some_and(|ending| ending == "yaml") {
                    files.push(file);
                }
            }
            files.sort();
        } else {
            files.push(path.to_owned());
        }
        let mut rules: Vec<Rule> = Vec::new();
        for file in files {
            let text = fs::read_to_string(&file)
                .map_err(|source| KnownError::Unreadable { path: file.clone(), source })?;
            for rule in Self::from_text(&text, &file)?.0 {
                if rules.iter().any(|other| other.name() == rule.name()) {
                    let name = rule.name().to_owned();
                    return Err(KnownError::Twice { file, name });
                }
                rules.push(rule);
            }
        }
        Ok(Self(rules))
    }

    /// Reads the rules in `text`; `file` is for messages.
    pub fn from_text(text: &str, file: &Path) -> Result<Self, YamlError> {
        let fields: File = yaml::from_str(text, file)?;
        let rule = |fields: yaml::Spanned<RuleFields>| {
            Rule::new(fields.value)
                .map_err(|problem| YamlError::at(text, file, fields.referenced, problem))
        };
        fields.issues.into_iter().map(rule).collect::<Result<_, _>>().map(Self)
    }

    /// Those of the target called `name`, run by version `emulator` of its emulator.
    pub fn for_target(&self, name: &str, emulator: Option<&str>) -> Known {
        let rules = self.0.iter().filter(|rule| rule.is_about(name, emulator));
        Known { rules: rules.cloned().collect(), shown: BTreeMap::new() }
    }
}

impl Known {
    /// Counts a case that is asked with these registers and this root size in bytes.
    pub fn case_asked(&mut self, registers: &golden::Registers, root_bytes: u64) {
        for rule in self.rules.iter().filter(|rule| rule.may_show(registers, root_bytes)) {
            let shown = self.shown.entry(rule.name().to_owned()).or_default();
            shown.cases += 1;
            if shown.reference.is_empty() {
                rule.reference().clone_into(&mut shown.reference);
            }
        }
    }

    /// The rule that names `symptom`, if one does; the probe is counted for it.
    pub fn names(&mut self, symptom: &Symptom<'_>) -> Option<&Rule> {
        let rule = self.rules.iter().find(|rule| rule.names(symptom))?;
        self.shown.entry(rule.name().to_owned()).or_default().probes += 1;
        Some(rule)
    }

    /// How each rule showed that could.
    pub const fn shown(&self) -> &BTreeMap<String, Shown> {
        &self.shown
    }
}
