//! What is established about a target before the first case.

use oracle::learned::Learned;

use crate::known::Known;

/// What is established about a target: the choices that it has made, and what it does wrong.
#[derive(Clone, Debug)]
pub struct Established {
    /// Its IMPLEMENTATION DEFINED choices that are settled before the first case. What cases tell does
    /// not change it: each is judged as if it were the first.
    pub learned: Learned,
    pub known: Known,
}
