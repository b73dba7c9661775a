//! What needs no emulator: cases, what is expected of them, campaigns on a pretended machine, records and
//! reports, and what users see.

mod both_stages;
mod campaign;
mod case_file;
mod cli;
mod comparison;
mod formats;
mod fuzz;
mod guest_draws;
mod guest_expectations;
mod guest_intent;
mod hyp_draws;
mod image;
mod intent;
mod report;
mod schema;
mod suites;
mod teeth;
mod tlb;
