//! What a campaign in this process comes to.

use case::Case;
use device::Target;
use judge::established::Established;
use judge::known::Known;
use judge::verdict::CaseRecord;
use link::hello::Hello;
use oracle::learned::Learned;
use runner::campaign::{Campaign, RecordError, Recorder, Totals, run};
use runner::plan::Plan;
use suite::generator::Generator;

#[derive(Default)]
struct Records(Vec<CaseRecord>);

impl Recorder for Records {
    fn started(&mut self, _: &Hello, _: &Plan) -> Result<(), RecordError> {
        Ok(())
    }

    fn case(&mut self, record: &CaseRecord, _: Option<&Case>) -> Result<(), RecordError> {
        self.0.push(record.clone());
        Ok(())
    }

    fn progress(&mut self, _: &Totals) -> Result<(), RecordError> {
        Ok(())
    }
}

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
    let mut records = Records::default();
    let totals = run(target, Campaign::new(generators, 1, established), &mut records);
    let totals = totals.unwrap_or_else(|error| panic!("{error}"));
    let mut records = records.0;
    records.sort_by_key(|record| record.index);
    assert!(records.iter().zip(0..).all(|(record, index)| record.index == index));
    (records, totals)
}
