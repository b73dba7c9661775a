//! Observations that outlive their message.

use case::Case;
use device::{Event, Session};
use link::observations::{Changed, Exception, Observations, Report, Status, SwitchTrace, Update};

/// What a target answered to a case.
#[derive(Debug)]
pub struct Answer {
    pub report: Report,
    pub answers: Vec<u64>,
    pub exceptions: Vec<Exception>,
    pub updates: Vec<Update>,
    pub changed: Vec<Changed>,
    pub trace: Option<SwitchTrace>,
    /// Words that an audit found.
    pub audited: Vec<(u64, u64)>,
}

/// Asks `case`, which the target survives.
pub fn ask(session: &mut dyn Session, case: &Case) -> Answer {
    session.send_case(1, case.as_ref()).expect("the window has room");
    match session.receive().expect("the session goes on") {
        Event::Observations { body, .. } => {
            let read = Observations::from_bytes(body).expect("they make sense");
            Answer {
                report: *read.report,
                answers: read.answers.to_vec(),
                exceptions: read.exceptions.to_vec(),
                updates: read.updates.to_vec(),
                changed: read.changed.to_vec(),
                trace: read.trace.copied(),
                audited: read.audited.iter().map(|word| (word.pa, word.value)).collect(),
            }
        }
        Event::Died(death) => panic!("{death}"),
        Event::Planned { .. } | Event::Progress { .. } => panic!("no plan was sent"),
    }
}

/// Asks `case`, whose probes are all answered.
pub fn done(session: &mut dyn Session, case: &Case) -> Answer {
    let answer = ask(session, case);
    assert_eq!(answer.report.status(), Some(Status::Done), "{answer:x?}");
    assert_eq!(answer.report.truncated, 0);
    assert_eq!(answer.answers.len(), case.as_ref().probes.len());
    answer
}
