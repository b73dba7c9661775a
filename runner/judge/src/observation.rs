//! What a target answered to a probe.

use link::observations::Exception;
use smallvec::SmallVec;

use oracle::answer::Reach;

/// What a target answered to a probe.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Observation<'a> {
    /// An AT instruction completed: `PAR_EL1`.
    Par(u64),
    /// An access was done, at one of these places; none where no memory that is known tells of it.
    Reached { places: SmallVec<[Reach; 2]>, word: u64 },
    /// It took an exception.
    Exception(&'a Exception),
    /// The guest did not come back, and was stopped there.
    Runaway(&'a Exception),
}
