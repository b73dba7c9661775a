//! What the architecture allows a target to answer: the host's twin of its tables and TLBs, and the reference
//! walker asked about them.
//!
//! | module | noun |
//! |---|---|
//! | [`simulation`]  | the target's memory, in which the host builds the same tables |
//! | [`tlb`]         | what the target's TLBs may still hold |
//! | [`expectation`] | the answers that are allowed to a probe, by [`access`] or by AT |
//! | [`answer`]      | one of them |
//! | [`learned`]     | which IMPLEMENTATION DEFINED choices it has made so far |

pub mod access;
pub mod answer;
pub mod expectation;
pub mod guest;
pub mod learned;
pub mod pe;
pub mod simulation;
pub mod tlb;
pub mod together;
pub mod trail;
