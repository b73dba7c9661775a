//! The executor's logic that needs no machine: it runs under host tests as it runs at EL2.
//!
//! | module | noun |
//! |---|---|
//! | [`abi`]         | what assembly and Rust share: structures and constants |
//! | [`acpi`]        | what ACPI's tables say of console, PEs and interrupts |
//! | [`board`]       | what the host says of the machine, laid over what was found |
//! | [`device_tree`] | a flattened device tree, read without trusting it |
//! | [`machine`]     | what a device tree says of memory, console and interrupts |
//! | [`uefi`]        | what UEFI says of memory |
//! | [`free`]        | RAM that belongs to nobody |
//! | [`el2_tables`]  | the executor's own translation tables |
//! | [`windows`]     | where arenas appear in the executor's address space |
//! | [`oracle`]      | what the reference walker allows for a probe |
//! | [`ring`]        | the arithmetic of the mailbox's counters |

#![no_std]
#![forbid(unsafe_code)]

pub mod abi;
pub mod acpi;
pub mod board;
pub mod device_tree;
pub mod el2_tables;
pub mod free;
pub mod machine;
pub mod oracle;
pub mod ring;
pub mod uefi;
pub mod windows;
