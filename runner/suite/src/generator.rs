//! Where the cases of a suite come from.

use case::Case;
use case::source::{Counted, Source};
use schemars::JsonSchema;
use serde::Deserialize;

use super::bounded::Bounded;
use super::case_file::CaseText;
use super::space::keys;

/// Where cases come from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Generator {
    /// They are drawn.
    Drawn {
        /// What draws them.
        source: Source,
        /// How many rounds, a case being a round of a random generator; `None`: as many as there is time for.
        rounds: Option<u64>,
    },
    /// The suite spells them out.
    Explicit(Vec<ExplicitCase>),
}

/// A case that a suite spells out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExplicitCase {
    /// What it shows.
    pub name: String,
    /// The case.
    pub case: Box<Case>,
}

impl ExplicitCase {
    /// The case `case`, which shows what `name` says.
    pub fn new(name: &str, case: Case) -> Self {
        Self { name: name.to_owned(), case: Box::new(case) }
    }
}

impl Generator {
    /// So many rounds of `source`, or as many as there is time for.
    pub const fn drawn(source: Source, rounds: Option<u64>) -> Self {
        Self::Drawn { source, rounds }
    }

    /// The name in suites.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Drawn { source, .. } => source.name(),
            Self::Explicit(_) => "cases",
        }
    }

    /// Whether it has no end but that of time.
    pub const fn is_endless(&self) -> bool {
        matches!(self, Self::Drawn { rounds: None, .. })
    }

    /// Lets it go on for as long as there is time, where it draws at random.
    pub const fn go_on(&mut self) {
        if let Self::Drawn { source, rounds } = self
            && matches!(source.counted(), Counted::Cases)
        {
            *rounds = None;
        }
    }

    /// What draws its cases; `None` where they are spelled out.
    pub const fn source_mut(&mut self) -> Option<&mut Source> {
        match self {
            Self::Drawn { source, .. } => Some(source),
            Self::Explicit(_) => None,
        }
    }
}

/// Declares the keys of the generators from their table.
macro_rules! generator_keys {
    ($($(#[$doc:meta])* $source:ident $number:literal $name:literal:
       $counted:ident of $space:ident, $draw:path, $round:path;)*) => {
        /// Where cases come from.
        #[derive(Clone, Debug, Deserialize, JsonSchema)]
        #[schemars(rename = "Generator")]
        pub(super) enum GeneratorKeys {
            $($(#[$doc])* #[serde(rename = $name)] $source($counted<keys::$space>),)*
            /// Cases that are spelled out.
            #[serde(rename = "cases")]
            Explicit(Vec<ExplicitKeys>),
        }

        impl From<GeneratorKeys> for Generator {
            fn from(keys: GeneratorKeys) -> Self {
                match keys {
                    $(GeneratorKeys::$source(keys) => {
                        Self::drawn(Source::$source(keys.space.into()), keys.rounds())
                    })*
                    GeneratorKeys::Explicit(cases) => {
                        Self::Explicit(cases.into_iter().map(ExplicitCase::from).collect())
                    }
                }
            }
        }
    };
}

case::generators!(generator_keys);

/// Keys of a random generator.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "CasesOf{S}")]
pub(super) struct Cases<S: Default> {
    /// How many. It may be left out in the last generator of a suite with `seconds`: as many as
    /// there is time for.
    cases: Option<Bounded<1, MANY>>,
    /// What they are drawn from.
    #[serde(default)]
    space: S,
}

/// Keys of a generator that goes through all of its cases.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "RoundsOf{S}")]
pub(super) struct Rounds<S: Default> {
    /// How often all of them, each time with other mappings and probes. Default: 1.
    #[serde(default = "one")]
    rounds: Bounded<1, MANY>,
    /// Which of them, and what else is drawn.
    #[serde(default)]
    space: S,
}

/// Keys of a generator that goes through all of its cases once.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "OnceOf{S}")]
pub(super) struct Once<S: Default> {
    /// What else is drawn.
    #[serde(default)]
    space: S,
}

impl<S: Default> Cases<S> {
    fn rounds(&self) -> Option<u64> {
        self.cases.map(Bounded::get)
    }
}

impl<S: Default> Rounds<S> {
    const fn rounds(&self) -> Option<u64> {
        Some(self.rounds.get())
    }
}

impl<S: Default> Once<S> {
    const fn rounds(&self) -> Option<u64> {
        Some(1)
    }
}

/// A case that is spelled out.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ExplicitCase")]
pub(super) struct ExplicitKeys {
    /// What it shows.
    name: String,
    /// The case.
    case: CaseText,
}

impl From<ExplicitKeys> for ExplicitCase {
    fn from(keys: ExplicitKeys) -> Self {
        Self { name: keys.name, case: keys.case.0 }
    }
}

/// More cases than anybody has time for.
pub(super) const MANY: u64 = 1_000_000_000_000;

fn one() -> Bounded<1, MANY> {
    const { Bounded::new(1).unwrap() }
}
