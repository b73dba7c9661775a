//! Defects of a case as a whole: what is wrong that no probe answers for.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What is wrong with a case as a whole.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Defect {
    /// The target refuses to build it.
    NotBuilt,
    /// Digest or roots of the target's tables are not those of the host's.
    OtherTables,
    /// There are fewer answers than probes.
    AnswersMissing,
    /// The code that ran under the case's own set-up was elsewhere, or under other registers.
    OtherPlace,
    /// Descriptors changed although the case has no hardware update.
    DescriptorsChanged,
    /// Descriptors changed that no probe is known to have updated.
    DescriptorsChangedLate,
    /// An arena holds a word that neither the builder nor a probe wrote.
    ArenaWritten,
    /// A word that probes stored to holds what none of them can have left.
    MemoryOtherwise,
    /// A word changed that no probe stored to.
    MemoryChanged,
    /// What a probe stored is at none of the places where it may have gone.
    StoreLost,
    /// Asked by the target itself, the case comes to another digest.
    OtherDigest,
}

impl Defect {
    pub const ALL: [Self; 11] = [
        Self::NotBuilt,
        Self::OtherTables,
        Self::AnswersMissing,
        Self::OtherPlace,
        Self::DescriptorsChanged,
        Self::DescriptorsChangedLate,
        Self::ArenaWritten,
        Self::MemoryOtherwise,
        Self::MemoryChanged,
        Self::StoreLost,
        Self::OtherDigest,
    ];
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotBuilt => "the target can't build the case",
            Self::OtherTables => "the target built other tables than the host",
            Self::AnswersMissing => "answers are missing",
            Self::OtherPlace => "the executor did not live where the case says",
            Self::DescriptorsChanged => "descriptors changed that nothing may change",
            Self::DescriptorsChangedLate => "descriptors changed behind the probes",
            Self::ArenaWritten => "the arenas hold what nobody wrote",
            Self::MemoryOtherwise => "memory is not as the probes left it",
            Self::MemoryChanged => "memory changed that nobody stored to",
            Self::StoreLost => "a store is found nowhere",
            Self::OtherDigest => "a case comes to another digest when the target asks it by itself",
        })
    }
}
