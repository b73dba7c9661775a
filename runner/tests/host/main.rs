//! What needs no emulator, and starts no process: cases, what is expected of them, campaigns on a pretended
//! machine, records and reports.

#[path = "../common"]
mod common {
    pub mod both_stages;
    pub mod folders;
    pub mod machines;
    pub mod shipped;
}

mod campaign;
mod case_file;
mod comparison;
mod export;
mod format2;
mod fuzz;
mod guest_draws;
mod guest_expectations;
mod guest_intent;
mod hyp_draws;
mod image;
mod intent;
mod reduce;
mod report;
mod reported;
mod schema;
mod selftest;
mod suites;
mod teeth;
mod tlb;
mod trial;
