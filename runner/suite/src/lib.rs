//! Suites: YAML files that say which cases are drawn, and the cases that they spell out.
//!
//! ```text
//!   suites/smoke.yaml ---yaml---> Suite { seed, generators, seconds } ---> plan
//!   repro/001.yaml -----yaml---> CaseFile { origin, machine, case }  ---> replay
//! ```

pub mod bounded;
pub mod case_file;
pub mod fraction;
pub mod generator;
pub mod granule;
pub mod hex;
pub mod machine;
pub mod name;
pub mod seed;
pub mod space;
pub mod yaml;

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::bounded::Bounded;
use self::generator::{Generator, GeneratorKeys, MANY};
use self::granule::GranuleName;
use self::name::Name;
use self::seed::Seed;
use self::space::Probes;
use self::yaml::{Spanned, YamlError};

/// Which cases are put to a target.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Suite {
    /// What records and reports call it.
    pub name: Name,
    /// What it is for.
    pub description: String,
    /// Where its random numbers begin.
    pub seed: Seed,
    /// Its cases, in this order. At least one; only the last may have no end.
    pub generators: Vec<Generator>,
    /// The most cases that are asked, if they are limited.
    pub cases: Option<u64>,
    /// The most seconds that it takes, if they are limited.
    pub seconds: Option<u64>,
    /// The text of the file.
    pub text: String,
}

/// A suite as its file says it.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Hypwalk suite", rename = "Suite")]
pub struct SuiteFields {
    /// What records and reports call it.
    name: Name,
    /// What it is for.
    #[serde(default)]
    description: String,
    /// Where random numbers begin: a number, or `date` for another every day. Default: 1.
    #[serde(default)]
    seed: Seed,
    /// The most seconds that the suite takes, from its first case on. Default: no limit.
    seconds: Option<Bounded<1, MANY>>,
    /// Where the cases come from, one after another.
    #[schemars(with = "Vec<GeneratorKeys>", length(min = 1))]
    generators: Spanned<Vec<Spanned<GeneratorKeys>>>,
}

/// What a command line changes of a suite.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Overrides {
    /// Another seed.
    pub seed: Option<u64>,
    /// So many cases in all: a suite that ends with a random generator goes on until then.
    pub cases: Option<u64>,
    /// The most seconds.
    pub seconds: Option<u64>,
    /// Probes of each case that is drawn.
    pub probes: Option<Probes>,
    /// The only granule that is drawn.
    #[serde(default)]
    pub granule: Option<GranuleName>,
}

/// A suite that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum SuiteError {
    /// The file can't be read.
    #[error("the suite file {} can't be read", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is no YAML, or says something that a suite has no place for.
    #[error(transparent)]
    Yaml(#[from] YamlError),
}

impl Suite {
    /// Reads and checks a suite file.
    pub fn read(file: &Path) -> Result<Self, SuiteError> {
        let text = std::fs::read_to_string(file)
            .map_err(|source| SuiteError::Unreadable { file: file.to_owned(), source })?;
        Ok(Self::from_text(&text, file)?)
    }

    /// Reads and checks the text of a suite; `file` is for messages.
    pub fn from_text(text: &str, file: &Path) -> Result<Self, YamlError> {
        let fields: SuiteFields = yaml::from_str(text, file)?;
        let list = fields.generators;
        if list.value.is_empty() {
            let problem = "the list is empty: a suite needs at least one generator";
            return Err(YamlError::at(text, file, list.referenced, problem));
        }
        let last = list.value.len() - 1;
        let mut generators = Vec::new();
        for (number, generator) in list.value.into_iter().enumerate() {
            let place = generator.referenced;
            let generator = Generator::from(generator.value);
            let endless = generator.is_endless();
            if endless && number < last {
                let problem = "`cases` is missing: what follows would never have its turn";
                return Err(YamlError::at(text, file, place, problem));
            }
            if endless && fields.seconds.is_none() {
                let problem = "`cases` is missing, and the suite has no `seconds` to end it";
                return Err(YamlError::at(text, file, place, problem));
            }
            generators.push(generator);
        }
        Ok(Self {
            name: fields.name,
            description: fields.description,
            seed: fields.seed,
            generators,
            cases: None,
            seconds: fields.seconds.map(Bounded::get),
            text: text.to_owned(),
        })
    }

    /// Changes what a command line wants changed.
    pub fn apply(&mut self, overrides: &Overrides) {
        if let Some(seed) = overrides.seed {
            self.seed = Seed::Fixed(seed);
        }
        if let Some(seconds) = overrides.seconds {
            self.seconds = Some(seconds);
        }
        if let Some(limit) = overrides.cases {
            self.cases = Some(limit);
            if let Some(last) = self.generators.last_mut() {
                last.go_on();
            }
        }
        if let Some(probes) = overrides.probes {
            let sources = self.generators.iter_mut().filter_map(Generator::source_mut);
            sources.for_each(|source| *source.probes_mut() = probes.get());
        }
        if let Some(granule) = overrides.granule {
            let sources = self.generators.iter_mut().filter_map(Generator::source_mut);
            sources.for_each(|source| granule.restrict(source.granules_mut()));
        }
    }
}

#[cfg(test)]
mod tests {
    use case::source::Source;

    use super::*;

    fn suite(text: &str) -> Result<Suite, String> {
        Suite::from_text(text, Path::new("s.yaml")).map_err(|error| error.to_string())
    }

    #[test]
    fn a_suite_is_its_generators_in_order() {
        let text = "
            name: s
            seed: date
            seconds: 60
            generators:
              - shapes: { rounds: 2 }
              - legality: {}
              - random: { space: { probes: 8 } }";
        let suite = suite(text).unwrap();
        let names: Vec<&str> = suite.generators.iter().map(Generator::name).collect();
        assert_eq!(names, ["shapes", "legality", "random"]);
        assert_eq!((suite.seed, suite.seconds, suite.cases), (Seed::Date, Some(60), None));
    }

    #[test]
    fn a_suite_that_would_never_end_is_refused() {
        let error = suite("name: s\ngenerators:\n  - random: {}\n").unwrap_err();
        assert_eq!(
            error,
            "s.yaml:3:5: `cases` is missing, and the suite has no `seconds` to end it"
        );
        let two = "name: s\nseconds: 5\ngenerators:\n  - random: {}\n  - legality: {}\n";
        let problem = "`cases` is missing: what follows would never have its turn";
        assert_eq!(suite(two).unwrap_err(), format!("s.yaml:4:5: {problem}"));
        assert!(suite("name: s\ngenerators: []\n").unwrap_err().contains("the list is empty"));
    }

    #[test]
    fn a_command_line_overrides_what_the_file_says() {
        let text = "name: s\ngenerators:\n  - legality: {}\n  - random: { cases: 5 }\n";
        let mut suite = suite(text).unwrap();
        suite.apply(&Overrides {
            seed: Some(9),
            cases: Some(4000),
            seconds: Some(3),
            probes: Bounded::new(7),
            granule: Some(GranuleName::K16),
        });
        assert_eq!((suite.seed, suite.seconds), (Seed::Fixed(9), Some(3)));
        assert_eq!(suite.cases, Some(4000));
        let [
            Generator::Drawn { source: Source::Legality(space), .. },
            Generator::Drawn { source: Source::Random(random), rounds: None },
        ] = &suite.generators[..]
        else {
            panic!("{:?}", suite.generators)
        };
        assert_eq!((space.probes, random.probes), (7, 7));
        assert_eq!((space.granules, random.granules), ([0, 1, 0], [0, 1, 0]));
    }
}
