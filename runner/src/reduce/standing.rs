//! A target that stays up between campaigns: to start it anew for each handful of cases would take longer than to ask them.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use case::CaseRef;
use case::memory::MemoryMap;
use device::wire::Wear;
use device::{CaseCursor, Death, Event, Identity, Session, Target, TargetError};
use link::hello::Hello;
use link::soak::Soak;

/// A target that stays up between campaigns, as long as it lives.
pub struct Standing<'a> {
    target: &'a dyn Target,
    /// The session that nobody uses now.
    left: Left,
}

type Left = Arc<Mutex<Option<Used>>>;

/// A session, and the number of the next message to it: to the target they are all of one campaign.
struct Used {
    session: Box<dyn Session>,
    next: u64,
}

impl<'a> Standing<'a> {
    pub fn new(target: &'a dyn Target) -> Self {
        Self { target, left: Left::default() }
    }
}

impl Target for Standing<'_> {
    fn boot(&self) -> Result<Box<dyn Session>, TargetError> {
        let left = self.left.lock().unwrap_or_else(PoisonError::into_inner).take();
        let used = match left {
            Some(used) => used,
            None => Used { session: self.target.boot()?, next: 0 },
        };
        let (first, pending) = (used.next, 0);
        Ok(Box::new(Lent { used: Some(used), first, pending, left: Arc::clone(&self.left) }))
    }

    fn identity(&self) -> &Identity {
        self.target.identity()
    }

    fn most_at_once(&self) -> NonZeroUsize {
        NonZeroUsize::MIN
    }
}

/// A session that is given back when nobody needs it any more, if the target is idle.
struct Lent {
    /// `None` once it is given back.
    used: Option<Used>,
    /// The number of its first message.
    first: u64,
    /// How many messages are not answered.
    pending: u64,
    left: Left,
}

impl Lent {
    const NEVER: &str = "a session is given back when it is dropped";

    fn used(&self) -> &Used {
        self.used.as_ref().expect(Self::NEVER)
    }

    /// The session, and `sequence` as it knows it.
    fn sending(&mut self, sequence: u64) -> (&mut dyn Session, u64) {
        let used = self.used.as_mut().expect(Self::NEVER);
        let sequence = self.first + sequence;
        used.next = used.next.max(sequence + 1);
        self.pending += 1;
        (used.session.as_mut(), sequence)
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if self.pending == 0 {
            *self.left.lock().unwrap_or_else(PoisonError::into_inner) = self.used.take();
        }
    }
}

impl Session for Lent {
    fn hello(&self) -> &Hello {
        self.used().session.hello()
    }

    fn memory_map(&self) -> &MemoryMap {
        self.used().session.memory_map()
    }

    fn window(&self) -> usize {
        self.used().session.window()
    }

    fn wear(&self) -> Wear {
        self.used().session.wear()
    }

    fn send_case(&mut self, sequence: u64, case: CaseRef<'_>) -> Result<(), TargetError> {
        let (session, sequence) = self.sending(sequence);
        session.send_case(sequence, case)
    }

    fn send_forecast(
        &mut self,
        sequence: u64,
        case: CaseRef<'_>,
        forecast: Vec<u64>,
    ) -> Result<(), TargetError> {
        let (session, sequence) = self.sending(sequence);
        session.send_forecast(sequence, case, forecast)
    }

    fn send_repeat(
        &mut self,
        sequence: u64,
        rounds: u64,
        case: CaseRef<'_>,
    ) -> Result<(), TargetError> {
        let (session, sequence) = self.sending(sequence);
        session.send_repeat(sequence, rounds, case)
    }

    fn send_plan(&mut self, sequence: u64, plan: &[u8]) -> Result<(), TargetError> {
        let (session, sequence) = self.sending(sequence);
        session.send_plan(sequence, plan)
    }

    fn send_terms(&mut self, sequence: u64, terms: &[u8]) -> Result<(), TargetError> {
        let (session, sequence) = self.sending(sequence);
        session.send_terms(sequence, terms)
    }

    fn send_soak(&mut self, sequence: u64, soak: &Soak) -> Result<(), TargetError> {
        let (session, sequence) = self.sending(sequence);
        session.send_soak(sequence, soak)
    }

    fn receive(&mut self) -> Result<Event<'_>, TargetError> {
        let Self { used, first, pending, .. } = self;
        let used = used.as_mut().expect(Self::NEVER);
        let own = |sequence: u64| sequence.wrapping_sub(*first);
        let event = used.session.receive()?;
        *pending = match &event {
            // Nobody is to have it again.
            Event::Died(_) => u64::MAX,
            _ => pending.saturating_sub(1),
        };
        Ok(match event {
            Event::Observations { sequence, body } => {
                Event::Observations { sequence: own(sequence), body }
            }
            Event::Planned { sequence, is_kept } => {
                Event::Planned { sequence: own(sequence), is_kept }
            }
            Event::Progress { sequence, body } => Event::Progress { sequence: own(sequence), body },
            Event::Died(death) => {
                let cursor = death.cursor.map(|at| CaseCursor { sequence: own(at.sequence), ..at });
                Event::Died(Death { cursor, ..death })
            }
        })
    }
}
