//! Why a campaign could not be run to its end.

use device::TargetError;

use super::{MOST_DEATHS_IN_A_ROW, RecordError};

/// Why a campaign could not be run to its end.
#[derive(Debug, thiserror::Error)]
pub enum CampaignError {
    /// The target can't be run.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The target dies whatever it is asked.
    #[error("the target died {MOST_DEATHS_IN_A_ROW} times in a row without an answer, last: {0}")]
    KeepsDying(String),
    /// The target came up as another machine.
    #[error("the target was started again, and has other ID registers or other memory than before")]
    Changed,
    /// The suite is too large for a target that draws by itself.
    #[error(
        "the suite spells out more cases than a target that draws by itself has room for, or has more than {} \
         generators",
        link::plan::MAX_SHARES
    )]
    PlanTooLarge,
    /// There is more that it should go by than it has room for.
    #[error("the target's known errata are too many for one that goes on by itself")]
    TooManyTerms,
    /// The target refuses plan or terms.
    #[error("the executor refuses to draw by itself: it is of another version")]
    Refused,
    /// A record could not be written.
    #[error("failed to record a case: {0}")]
    Record(#[source] RecordError),
}
