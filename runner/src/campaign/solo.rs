//! What a worker says to a target that soaks, and hears of it.

use device::{Death, Session};
use zerocopy::IntoBytes as _;

use super::CampaignError;
use super::soaking::{Brief, Task};
use super::worker::Worker;

/// A message that was sent to a target that soaks, and is not answered yet.
pub struct Solo {
    sequence: u64,
    message: Message,
}

enum Message {
    /// Its plan, or its terms.
    Brief,
    /// Which cases it is to ask.
    Stretch(link::soak::Soak),
}

impl Worker<'_> {
    /// Has the target go on by itself, where nothing else is in flight.
    pub(super) fn soak_on(&mut self, session: &mut dyn Session) -> Result<(), CampaignError> {
        let Some(soaking) = &mut self.soaking else { return Ok(()) };
        if !self.flight.is_empty() || soaking.is_idle() {
            return Ok(());
        }
        if !self.shared.dispenser.draw(soaking.next()) {
            let record = soaking.stop();
            record.into_iter().for_each(|record| self.outbox.push(record));
            return Ok(());
        }
        let (brief, stretch) = (soaking.brief(self.shared.plan)?, soaking.message());
        let sequence = self.sequence();
        let message = match brief {
            Some(Brief::Plan(words)) => {
                session.send_plan(sequence, words.as_bytes())?;
                Message::Brief
            }
            Some(Brief::Terms(words)) => {
                session.send_terms(sequence, words.as_bytes())?;
                Message::Brief
            }
            None => {
                session.send_soak(sequence, &stretch)?;
                Message::Stretch(stretch)
            }
        };
        self.solo = Some(Solo { sequence, message });
        Ok(())
    }

    /// The target has what it was told. Returns what is wrong with its answer when it makes no sense.
    pub(super) fn briefed(&mut self, sequence: u64) -> Option<String> {
        match (&self.solo, &mut self.soaking) {
            (Some(Solo { sequence: sent, message: Message::Brief }), Some(soaking))
                if *sent == sequence =>
            {
                soaking.was_told();
                self.solo = None;
                None
            }
            _ => Some(format!("an answer to plan {sequence}, which nobody sent")),
        }
    }

    /// Takes what a target says of a stretch. Returns what is wrong with it when it makes no sense.
    pub(super) fn progress(&mut self, sequence: u64, body: &[u8]) -> Option<String> {
        let (Some(Solo { sequence: sent, message: Message::Stretch(asked) }), Some(soaking)) =
            (&self.solo, &mut self.soaking)
        else {
            return Some(format!("progress on message {sequence}, which nobody sent"));
        };
        let tasks = (*sent == sequence).then(|| soaking.progress(*asked, body));
        let Some(tasks) = tasks.flatten() else {
            return Some("progress that makes no sense".into());
        };
        self.solo = None;
        self.deaths_in_a_row = 0;
        self.shared.dispenser.drew(soaking.next() - 1);
        self.take_up(tasks);
        None
    }

    /// The target died: the next one knows nothing.
    pub(super) fn solo_died(&mut self, death: &Death) {
        let Some(soaking) = &mut self.soaking else { return };
        soaking.forget();
        if let Some(Solo { message: Message::Stretch(asked), .. }) = self.solo.take() {
            let tasks = soaking.died(asked, death.drawn);
            self.take_up(tasks);
        }
    }

    /// Takes up what a target has left to do.
    fn take_up(&mut self, tasks: impl IntoIterator<Item = Task>) {
        for task in tasks {
            match task {
                Task::Record(record) => self.outbox.push(record),
                Task::Ask(index) => self.parts.in_full(index),
                Task::Judge { index, suspect } => {
                    let case = self.shared.plan.case(index).and_then(Result::ok);
                    match case.and_then(|case| self.judge.judge_suspect(index, case, &suspect)) {
                        Some(record) => self.outbox.push(record),
                        None => self.parts.in_full(index),
                    }
                }
            }
        }
    }
}
