//! The payload itself. Each module uses none but those above it in this table.
//!
//! | module | noun |
//! |---|---|
//! | [`global`], [`buffer`] | statics, and who has them |
//! | [`asm`]        | all assembly: entry, vectors, the hot loop of probes, maintenance |
//! | [`image`]      | what the host finds in the image: configuration and version |
//! | [`mmio`], [`console`] | registers of devices, and UARTs |
//! | [`marks`]      | where the executor is, while it starts |
//! | [`transport`]  | mailbox and frames |
//! | [`batch_log`], [`last_words`] | what is left when something goes wrong |
//! | [`platform`]   | what device tree, UEFI and host say of the machine |
//! | [`efi`]        | from UEFI to the entry |
//! | [`ids`], [`el2`] | the ID registers of a PE, and its EL2 |
//! | [`monitor`], [`gic`], [`el3`] | what is set up on the way down from EL3 |
//! | [`sabotage`]   | a start that fails on purpose, in self-test builds |
//! | [`idle`]       | waiting without burning a core |
//! | [`memory`], [`scratch`] | the arenas as memory |
//! | [`el2_map`]    | the executor's own map |
//! | [`regime`], [`quiesced`] | the EL1&0 regime of a case, and between cases |
//! | [`in_flight`], [`exceptions`] | the case that is being run, and exceptions in it |
//! | [`step`]       | the steps of a sequence, between probes |
//! | [`guest`]      | asking from EL1 and EL0 |
//! | [`psci`], [`smp`] | secondary PEs |
//! | [`world_switch`] | asking in a case's own set-up of EL2, or from EL3 |
//! | [`run`]        | one case |
//! | [`plan`], [`soak`] | drawing, asking and judging without the host |
//! | [`batch`]      | soaking by what was written into the image |
//! | [`brief`], [`serve`] | requests and responses |
//! | [`boot`]       | from the entry to the first hello |

mod asm;
mod batch;
mod batch_log;
mod boot;
mod brief;
mod buffer;
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
mod marks;
mod memory;
mod mmio;
mod monitor;
mod plan;
mod platform;
mod psci;
mod quiesced;
mod regime;
mod run;
mod sabotage;
mod scratch;
mod serve;
mod smp;
mod soak;
mod step;
mod transport;
mod world_switch;
