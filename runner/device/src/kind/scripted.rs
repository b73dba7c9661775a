//! A target that answers from a closure: for tests of whatever drives a session.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::sync::Arc;

use case::memory::MemoryMap;
use case::{Case, CaseRef};
use link::hello::Hello;
use link::soak::Soak;

use crate::death::Death;
use crate::error::TargetError;
use crate::session::{Event, Identity, Session, Target};

/// What a script has to say to a case.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reply {
    /// The body of its observations, as words.
    Observations(Vec<u64>),
    /// The target dies of it.
    Death(Death),
}

/// What a script is: from a case's number and the case to the answer.
pub type Script = dyn Fn(u64, CaseRef<'_>) -> Reply + Send + Sync;

/// A target that is a script. Each boot is a new session with the same script.
#[derive(Clone)]
pub struct Scripted {
    identity: Identity,
    hello: Hello,
    map: MemoryMap,
    window: usize,
    script: Arc<Script>,
}

impl Scripted {
    /// A target with these first words and this memory, which lets `window` cases be in flight.
    pub fn new(
        hello: Hello,
        map: MemoryMap,
        window: usize,
        script: impl Fn(u64, CaseRef<'_>) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let identity = Identity {
            name: "scripted".to_owned(),
            emulator: None,
            command: String::new(),
            shape: "scripted".to_owned(),
        };
        Self { identity, hello, map, window, script: Arc::new(script) }
    }
}

impl Target for Scripted {
    fn boot(&self) -> Result<Box<dyn Session>, TargetError> {
        let target = self.clone();
        Ok(Box::new(ScriptedSession {
            target,
            asked: VecDeque::new(),
            body: Vec::new(),
            over: false,
        }))
    }

    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn most_at_once(&self) -> NonZeroUsize {
        NonZeroUsize::MAX
    }
}

struct ScriptedSession {
    target: Scripted,
    asked: VecDeque<(u64, Case)>,
    body: Vec<u64>,
    over: bool,
}

impl Session for ScriptedSession {
    fn hello(&self) -> &Hello {
        &self.target.hello
    }

    fn memory_map(&self) -> &MemoryMap {
        &self.target.map
    }

    fn window(&self) -> usize {
        self.target.window
    }

    fn send_case(&mut self, sequence: u64, case: CaseRef<'_>) -> Result<(), TargetError> {
        if self.over {
            return Err(TargetError::Over);
        }
        if self.asked.len() >= self.window() {
            return Err(TargetError::Misuse("a case was sent when the window was full"));
        }
        self.asked.push_back((sequence, Case::from_ref(case)));
        Ok(())
    }

    /// As one round: a script has no tables that could stand.
    fn send_repeat(
        &mut self,
        sequence: u64,
        _rounds: u64,
        case: CaseRef<'_>,
    ) -> Result<(), TargetError> {
        self.send_case(sequence, case)
    }

    /// A script draws nothing.
    fn send_plan(&mut self, _sequence: u64, _plan: &[u8]) -> Result<(), TargetError> {
        Err(TargetError::Misuse("a script has no use for a plan"))
    }

    fn send_terms(&mut self, _sequence: u64, _terms: &[u8]) -> Result<(), TargetError> {
        Err(TargetError::Misuse("a script goes by no terms"))
    }

    fn send_soak(&mut self, _sequence: u64, _soak: &Soak) -> Result<(), TargetError> {
        Err(TargetError::Misuse("a script draws nothing"))
    }

    fn receive(&mut self) -> Result<Event<'_>, TargetError> {
        if self.over {
            return Err(TargetError::Over);
        }
        let Some((sequence, case)) = self.asked.pop_front() else {
            return Err(TargetError::Misuse("nothing was asked that could be answered"));
        };
        match (self.target.script)(sequence, case.as_ref()) {
            Reply::Observations(words) => {
                self.body = words;
                let body = zerocopy::IntoBytes::as_bytes(self.body.as_slice());
                Ok(Event::Observations { sequence, body })
            }
            Reply::Death(death) => {
                self.over = true;
                Ok(Event::Died(death))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use case::format::{AddressFormat, Format, Granule};
    use case::memory::Place;
    use case::registers::Registers;
    use case::tree::{Role, Tree};
    use zerocopy::FromZeros;

    use super::*;
    use crate::death::HowDied;

    #[test]
    fn a_script_answers_until_it_dies_and_boots_again() {
        let target = Scripted::new(Hello::new_zeroed(), MemoryMap::new(), 2, |sequence, case| {
            if sequence == 3 {
                let how = HowDied::Garbage { what: "as the script says".to_owned() };
                return Reply::Death(Death::of(how));
            }
            Reply::Observations(vec![sequence, case.probes.len() as u64])
        });
        let address = AddressFormat::Bits48;
        let format = Format { granule: Granule::K4, start_level: 1, ia_bits: 39, address };
        let case = Case::with_tree(
            Registers::default(),
            Tree::new(Role::Stage2, format, Place::new(0, 0)),
        );

        for _ in 0..2 {
            let mut session = target.boot().expect("it always boots");
            assert!(matches!(session.receive(), Err(TargetError::Misuse(_))));
            for sequence in [2, 3] {
                session.send_case(sequence, case.as_ref()).expect("the window has room");
            }
            let full = session.send_case(4, case.as_ref());
            assert!(matches!(full, Err(TargetError::Misuse(_))), "{full:?}");
            let answer = session.receive().expect("it answers");
            assert!(
                matches!(answer, Event::Observations { sequence: 2, body: [2, .., 0] }),
                "{answer:?}"
            );
            assert!(matches!(session.receive(), Ok(Event::Died(_))));
            assert!(matches!(session.receive(), Err(TargetError::Over)));
        }
    }
}
