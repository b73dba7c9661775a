//! Case + observations + golden: the verdict.
//!
//! Two questions, kept apart. Did the device answer as the reference walker says of these tables
//! ([`conformity`])? And does the reference walker say what the case's own mappings asked for
//! ([`intent`])? The first finds faults in the device, the second in the table builder.
//!
//! ```text
//!            prepare                      (target)                        judge
//!   case ------------> Prepared -------------------> Observations ------------------> Judged
//!    |                    |        Exchange                |           ^   verdicts, findings,
//!    |  Twin, Playback    |  expectations                  v           |   what is not asked
//!    +--------------------+--------------------------> Answered -------+
//!                  the oracle's                     each probe's answer
//! ```
//!
//! A [`Judge`] has it all in flight for one target: whoever schedules cases needs no more of this crate than it,
//! its cases and their records.
//!
//! | module | what it is for |
//! |---|---|
//! | [`established`]             | what is established about a target before the first case |
//! | [`known`]                   | its known errata: which answers they predict, which probes they make crash it |
//! | [`prepare`]                 | which probes are asked, and what is expected: a [`prepared`] case |
//! | [`observable`], [`aliases`] | which probes would show what they did, and may be asked |
//! | [`offer`]                   | what a target offers: what it lacks is not asked |
//! | [`quarantine`]              | kinds of probe that are held back since they killed the target |
//! | [`exchange`]                | what was sent and what came back, in order as a whole? |
//! | [`judgement`]               | from there to verdicts, [`judged`] |
//! | [`answered`]                | one answer beside what is expected |
//! | [`conformity`], [`intent`]  | the two questions |
//! | [`observation`], [`memory`], [`world_switch`] | what was observed: registers, memory byte by byte, where the executor was |
//! | [`kind`], [`difference`] | an answer without addresses, and what is wrong with it |
//! | [`death`]                   | charging the death of a target |
//! | [`forecast`]                | what will probably be answered, for slow lines |
//! | [`soak`]                    | targets that ask and compare by themselves |
//! | [`personality`]             | whether all cases tell the same of the target's choices |
//! | [`open`], [`verdict`], [`finding`] | what is recorded of a case |

pub mod aliases;
pub mod answered;
pub mod conformity;
pub mod death;
mod diagnosis;
pub mod difference;
pub mod established;
pub mod exchange;
pub mod finding;
pub mod forecast;
pub mod intent;
mod judge;
pub mod judged;
pub mod judgement;
pub mod kind;
pub mod known;
pub mod memory;
pub mod observable;
pub mod observation;
pub mod offer;
pub mod open;
pub mod personality;
pub mod prepare;
pub mod prepared;
pub mod quarantine;
pub mod soak;
pub mod verdict;
pub mod world_switch;

pub use judge::Judge;
