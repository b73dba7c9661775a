//! What is known of one target.

use crate::known::Known;
use oracle::learned::Learned;

/// What is known of one target: the choices that it has made, and what it does wrong.
#[derive(Clone, Debug)]
pub struct Dossier {
    /// Its IMPLEMENTATION DEFINED choices that are settled before the first case. What cases tell does
    /// not change it: each is judged as if it were the first.
    pub learned: Learned,
    /// Its known issues.
    pub known: Known,
}
