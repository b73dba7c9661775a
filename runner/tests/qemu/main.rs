//! The executor on real QEMUs, and the program `hypwalk` as it is used with them.

#[path = "../common"]
mod common {
    pub mod answer;
    pub mod executor;
    pub mod exported;
    pub mod folders;
    pub mod hypwalk;
    pub mod identity;
    pub mod place;
    pub mod records;
    pub mod reproducers;
    pub mod self_test;
    pub mod shipped;
    pub mod targets;
}

mod bench;
mod campaigns;
mod efi;
mod entry;
mod export;
mod first_light;
mod gdb;
mod guest;
mod hyp;
mod known_errata;
mod reduce;
mod resume;
mod run;
mod serial;
mod session;
mod shards;
mod soak;
