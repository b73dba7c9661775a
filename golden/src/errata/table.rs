//! All errata, by what they are about.

mod addresses;
mod deaths;
mod descriptors;
mod features;
mod instructions;
mod memory;
mod parameters;
mod permissions;
mod registers;
mod reports;
mod rules;
mod tlbi;
mod updates;

use crate::errata::Erratum;

/// Every erratum, in the order of the table.
pub fn all() -> impl Iterator<Item = &'static Erratum> {
    let parts = [
        rules::ALL,
        rules::MISAPPLIED,
        registers::ALL,
        features::ALL,
        descriptors::ALL,
        parameters::ALL,
        permissions::ALL,
        memory::ALL,
        addresses::CHECKS,
        addresses::ALL,
        updates::ALL,
        reports::ALL,
        instructions::ALL,
        deaths::ALL,
        tlbi::ALL,
        tlbi::INSTRUCTIONS,
    ];
    parts.into_iter().flatten()
}

/// The erratum of this name.
#[must_use]
pub fn named(name: &str) -> Option<&'static Erratum> {
    all().find(|erratum| erratum.name == name)
}
