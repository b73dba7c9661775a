//! What the architecture allows a target to answer: the host's twin of its tables and TLBs, and the reference
//! walker asked about them.
//!
//! ```text
//!   case --tables::build--> Twin: Tables, Tlb --Playback--> turns: probes, each with its Expectation
//!                                 |      ^
//!                          golden |      | steps (TLBI, late edits), updates by hardware
//!                                 v      |
//!                           Allowed outcomes
//! ```
//!
//! It knows the architecture and the case, and nothing of what a target answered.
//!
//! | module | noun |
//! |---|---|
//! | [`twin`]             | a target's PE and memory, in which the host builds the same tables; a case's steps there |
//! | [`playback`]         | a case played on its twin, turn by turn |
//! | [`concurrent`]       | probes that several PEs do at the same time |
//! | [`expectation`]      | the outcomes that are allowed for a probe, by [`access`] or by AT |
//! | [`answer`]           | what may be observed of one of them, by a [`guest`] too |
//! | [`learned`]          | which IMPLEMENTATION DEFINED choices a target has made so far |
//! | [`tlb`]              | what TLBs may still hold |
//! | [`flaw`]             | errata that a target is known to have, and what is predicted for them |
//! | `flaws`              | those that may show in a case, by the points of a walk at which they act |
//! | [`registers`]        | registers that follow from trees of tables: the root of each, its size |
//! | [`simulation`]       | the target's memory |

pub mod access;
pub mod answer;
pub mod concurrent;
pub mod expectation;
pub mod flaw;
mod flaws;
pub mod guest;
pub mod learned;
pub mod playback;
pub mod registers;
pub mod simulation;
pub mod tlb;
pub mod twin;
