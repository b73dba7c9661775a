//! What a campaign in this process comes to.

use device::Target;
use judge::established::Established;
use judge::known::Known;
use judge::verdict::CaseRecord;
use oracle::learned::Learned;
use runner::campaign::{Asked, Campaign, Totals, run};
use suite::generator::Generator;

/// The records of a campaign on `target`, one of each case and by case, and its sums. Nothing is known of the
/// target.
pub fn campaign(target: &dyn Target, generators: Vec<Generator>) -> (Vec<CaseRecord>, Totals) {
    let learned = Learned::new([]).expect("there are no pins");
    judged_by(Established { learned, known: Known::default() }, target, generators)
}

/// The same, where so much is `established` of the target.
pub fn judged_by(
    established: Established,
    target: &dyn Target,
    generators: Vec<Generator>,
) -> (Vec<CaseRecord>, Totals) {
    let mut asked = Asked::default();
    let totals = run(target, Campaign::new(generators, 1, established), &mut asked);
    let totals = totals.unwrap_or_else(|error| panic!("{error}"));
    let mut records = asked.records;
    records.sort_by_key(|record| record.index);
    assert!(records.iter().zip(0..).all(|(record, index)| record.index == index));
    (records, totals)
}
