//! The executor on real QEMUs, and the program `hypwalk` as it is used with them.

mod bench;
mod campaigns;
mod efi;
mod entry;
mod findings;
mod gdb;
mod guest;
mod hyp;
mod known_issues;
mod resume;
mod run;
mod serial;
mod session;
mod shards;
mod soak;
