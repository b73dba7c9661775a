//! The payload itself.
//!
//! | module | noun |
//! |---|---|
//! | [`asm`]        | all assembly: entry, vectors, the hot loop of probes, maintenance |
//! | [`image`]      | what the host finds in the image: configuration and version |
//! | [`boot`]       | from the entry to the first hello |
//! | [`efi`]        | from UEFI to the entry |
//! | [`el3`]        | what is set up on the way down from EL3 |
//! | [`park`]       | EL2's own registers, and the EL1&0 regime between cases |
//! | [`home`]       | the executor's own map |
//! | [`memory`]     | the arenas as memory |
//! | [`console`]    | UARTs |
//! | [`gic`], [`idle`] | waiting without burning a core |
//! | [`transport`]  | mailbox and frames |
//! | [`serve`]      | requests and responses |
//! | [`run`]        | one case |
//! | [`brief`]      | answers by digest |
//! | [`plan`]       | the host's plan, for cases that are meant by number |
//! | [`batch`]      | soaking without a host, and the log of it |
//! | [`soak`]       | drawing, asking and comparing without the host |
//! | [`away`]       | asking in a case's own set-up of EL2, or from EL3 |
//! | [`guest`]      | asking from EL1 and EL0 |
//! | [`crew`], [`psci`] | the other PEs |
//! | [`step`]       | the steps of a sequence, between probes |
//! | [`regime`]     | the registers of EL1&0 that are loaded |
//! | [`monitor`]    | EL3, once it has been left |
//! | [`hand`], [`exceptions`], [`last_words`] | what happens when something goes wrong |

mod asm;
mod away;
mod batch;
mod boot;
mod brief;
mod console;
mod crew;
mod efi;
mod el3;
mod exceptions;
mod gic;
mod global;
mod guest;
mod hand;
mod home;
mod idle;
mod ids;
mod image;
mod last_words;
mod memory;
mod monitor;
mod park;
mod plan;
mod psci;
mod regime;
mod run;
mod serve;
mod soak;
mod step;
mod transport;
