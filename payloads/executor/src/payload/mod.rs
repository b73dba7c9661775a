//! The payload itself.
//!
//! | module | noun |
//! |---|---|
//! | [`asm`]        | all assembly: entry, vectors, the hot loop of probes, maintenance |
//! | [`image`]      | what the host finds in the image: configuration and version |
//! | [`boot`]       | from the entry to the first hello |
//! | [`efi`]        | from UEFI to the entry |
//! | [`el3`]        | what is set up on the way down from EL3 |
//! | [`el2`]       | EL2's own registers, and the EL1&0 regime between cases |
//! | [`el2_map`]       | the executor's own map |
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
//! | [`world_switch`]       | asking in a case's own set-up of EL2, or from EL3 |
//! | [`guest`]      | asking from EL1 and EL0 |
//! | [`smp`], [`psci`] | the other PEs |
//! | [`step`]       | the steps of a sequence, between probes |
//! | [`regime`]     | the registers of EL1&0 that are loaded |
//! | [`monitor`]    | EL3, once it has been left |
//! | [`in_flight`], [`exceptions`], [`last_words`] | what happens when something goes wrong |

mod asm;
mod batch;
mod boot;
mod brief;
mod console;
mod efi;
mod el2;
mod el2_map;
mod el3;
mod exceptions;
mod gic;
mod global;
mod guest;
mod idle;
mod ids;
mod image;
mod in_flight;
mod last_words;
mod memory;
mod mmio;
mod monitor;
mod plan;
mod psci;
mod regime;
mod run;
mod scratch;
mod serve;
mod smp;
mod soak;
mod step;
mod transport;
mod world_switch;
