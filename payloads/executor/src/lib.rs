//! The executor's logic that needs no machine: it runs under host tests as it runs at EL2.
//!
//! | module | noun |
//! |---|---|
//! | [`acpi`]        | what ACPI's tables say of console, PEs and interrupts |
//! | [`board`]       | what the host says of the machine, laid over what was found |
//! | [`device_tree`] | a flattened device tree, read without trusting it |
//! | [`machine`]     | what a device tree says of memory, console and interrupts |
//! | [`uefi`]        | what UEFI says of memory |
//! | [`free`]        | RAM that belongs to nobody |
//! | [`home_map`]    | the executor's own translation tables |
//! | [`ledger`]      | what is written for code away from home, and by it |
//! | [`roster`]      | what guests are to do, and what became of them |
//! | [`windows`]     | where arenas appear in the executor's address space |
//! | [`sieve`]       | what the reference walker says of a probe |
//! | [`ring`]        | the arithmetic of the mailbox's counters |

#![no_std]
#![forbid(unsafe_code)]

pub mod acpi;
pub mod board;
pub mod device_tree;
pub mod free;
pub mod home_map;
pub mod ledger;
pub mod machine;
pub mod ring;
pub mod roster;
pub mod sieve;
pub mod uefi;
pub mod windows;
