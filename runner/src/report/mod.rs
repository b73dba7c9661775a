//! What is said of a run: on the terminal, as a page, and in the forms that other programs read.

pub mod against;
pub mod causes;
pub mod checklist;
pub mod comparison;
pub mod errata_file;
pub mod html;
pub mod junit;
pub(crate) mod legal;
pub mod reference;
pub mod tap;
pub mod terminal;
pub mod versions;

pub use checklist::Checklist;
