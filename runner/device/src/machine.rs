//! A booted machine behind any wire: the handshake, the cases in flight, the watchdog.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use case::CaseRef;
use case::memory::MemoryMap;
use link::digest;
use link::hello::{Configure, Epitaph, Hello};
use link::message::{Head, Kind, Rounds};
use link::soak::Soak;
use zerocopy::{FromBytes, IntoBytes};

use super::description::Description;
use super::error::TargetError;
use super::life::{End, Life};
use super::map::memory_map;
use super::session::{CaseCursor, Death, Event, HowDied, HungReason, Session};
use super::watchdog::{INTERVAL, Look, Patience, Watchdog};
use super::wire::{Fault, Wear, Wire};

/// A machine with an executor that is ready for cases.
pub struct Machine<W> {
    running: Running<W>,
    hello: Hello,
    map: MemoryMap,
    /// The cases that were sent and not yet answered, oldest first.
    asked: VecDeque<Asked>,
    /// How many requests were sent.
    requests: u64,
    /// The forecast that has come true last.
    forecast: Vec<u64>,
    over: bool,
}

/// A case that was sent.
struct Asked {
    /// Which request carried it.
    request: u64,
    sequence: u64,
    probes: usize,
    /// What the answer must be.
    answer: Kind,
    /// The body that is forecast, where its digest is answer enough.
    forecast: Option<Vec<u64>>,
}

impl<W: Wire> Machine<W> {
    /// Waits for the executor's first words, and tells it the arenas that `description` asks for.
    ///
    /// `boot_error` is asked for the error where the machine does not come up.
    pub fn boot(
        description: &Description,
        wire: W,
        life: Box<dyn Life>,
        boot_error: impl FnOnce(Death) -> TargetError,
    ) -> Result<Self, TargetError> {
        let watchdog = Watchdog::new(Patience::at_boot(description));
        let mut running = Running { wire, life, watchdog, hung: None };
        match running.handshake(description)? {
            Ok((hello, map)) => {
                running.watchdog = Watchdog::new(Patience::at_work(description));
                let asked = VecDeque::new();
                let forecast = Vec::new();
                Ok(Self { running, hello, map, asked, requests: 1, forecast, over: false })
            }
            Err(how) => Err(boot_error(Death { how, cursor: None, answers_before: Vec::new() })),
        }
    }

    /// Sends a message about so many probes, which is to be answered by one of kind `answer`.
    fn send(
        &mut self,
        kind: Kind,
        answer: Kind,
        sequence: u64,
        probes: usize,
        write: &mut dyn FnMut(&mut [u8]) -> Option<usize>,
    ) -> Result<(), TargetError> {
        if self.over {
            return Err(TargetError::Over);
        }
        if self.asked.len() >= self.running.wire.window() {
            return Err(TargetError::Misuse("a case was sent when the window was full"));
        }
        if !self.running.wire.send(kind, sequence, write) {
            return Err(TargetError::Misuse("what was sent is larger than a message"));
        }
        let request = self.requests;
        self.asked.push_back(Asked { request, sequence, probes, answer, forecast: None });
        self.requests += 1;
        Ok(())
    }

    /// The next answer is here, of this kind and number, or the target is dead.
    fn next(&mut self) -> Result<(Kind, u64), HowDied> {
        let head = self.running.wait()?;
        match (head.kind(), self.asked.front()) {
            (Some(kind), Some(asked))
                if kind == asked.answer && asked.sequence == head.sequence =>
            {
                if kind == Kind::Digest && !self.has_come_true() {
                    return self.next();
                }
                self.asked.pop_front();
                Ok((kind, head.sequence))
            }
            (Some(kind), Some(asked)) if kind == asked.answer => {
                let (got, due) = (head.sequence, asked.sequence);
                Err(garbage(format!("it answered case {got} where case {due} was next")))
            }
            (kind, _) => Err(garbage(format!("it sent {kind:?} in the middle of a campaign"))),
        }
    }

    /// Whether the digest that has just come is that of the oldest case's forecast. If not, all of its
    /// observations are asked for.
    fn has_come_true(&mut self) -> bool {
        let told = u64::read_from_prefix(self.running.wire.body()).ok().map(|(told, _)| told);
        let Some(asked) = self.asked.front_mut() else { return false };
        let forecast = asked.forecast.take().unwrap_or_default();
        if told == Some(digest::of(forecast.as_bytes())) {
            self.forecast = forecast;
            return true;
        }
        asked.answer = Kind::Observations;
        asked.request = self.requests;
        self.requests += 1;
        self.running.wire.send(Kind::Whole, asked.sequence, &mut |_| Some(0));
        false
    }

    fn death(&self, how: HowDied) -> Death {
        let found = self.running.wire.cursor().and_then(|cursor| {
            let request = cursor.request()?;
            let asked = self.asked.iter().find(|asked| asked.request == request)?;
            let probe = cursor.probe().filter(|probe| usize::from(*probe) < asked.probes);
            Some(CaseCursor { sequence: asked.sequence, probe })
        });
        // The answers belong to the oldest case without observations, and to no other.
        let oldest = self.asked.front().map(|asked| asked.sequence);
        let before =
            found.filter(|found| Some(found.sequence) == oldest).and_then(|found| found.probe);
        let answers_before = self.running.wire.answers(before.map_or(0, usize::from));
        Death { how, cursor: found, answers_before }
    }
}

impl<W: Wire> Session for Machine<W> {
    fn hello(&self) -> &Hello {
        &self.hello
    }

    fn wear(&self) -> Wear {
        self.running.wire.wear()
    }

    fn memory_map(&self) -> &MemoryMap {
        &self.map
    }

    fn window(&self) -> usize {
        self.running.wire.window()
    }

    fn send_case(&mut self, sequence: u64, case: CaseRef<'_>) -> Result<(), TargetError> {
        let probes = case.probes.len();
        self.send(Kind::Case, Kind::Observations, sequence, probes, &mut |body| case.write_to(body))
    }

    fn send_forecast(
        &mut self,
        sequence: u64,
        case: CaseRef<'_>,
        forecast: Vec<u64>,
    ) -> Result<(), TargetError> {
        if !self.running.wire.is_narrow() {
            return self.send_case(sequence, case);
        }
        let probes = case.probes.len();
        self.send(Kind::Brief, Kind::Digest, sequence, probes, &mut |body| case.write_to(body))?;
        if let Some(asked) = self.asked.back_mut() {
            asked.forecast = Some(forecast);
        }
        Ok(())
    }

    fn send_repeat(
        &mut self,
        sequence: u64,
        rounds: u64,
        case: CaseRef<'_>,
    ) -> Result<(), TargetError> {
        self.send(Kind::Repeat, Kind::Repeated, sequence, case.probes.len(), &mut |body| {
            let (front, rest) = body.split_at_mut_checked(size_of::<Rounds>())?;
            front.copy_from_slice(Rounds { rounds }.as_bytes());
            Some(front.len() + case.write_to(rest)?)
        })
    }

    fn send_plan(&mut self, sequence: u64, plan: &[u8]) -> Result<(), TargetError> {
        self.send(Kind::Plan, Kind::Planned, sequence, 0, &mut |body| copy(plan, body))
    }

    fn send_terms(&mut self, sequence: u64, terms: &[u8]) -> Result<(), TargetError> {
        self.send(Kind::Terms, Kind::Planned, sequence, 0, &mut |body| copy(terms, body))
    }

    fn send_soak(&mut self, sequence: u64, soak: &Soak) -> Result<(), TargetError> {
        let bytes = soak.as_bytes();
        self.send(Kind::Soak, Kind::Progress, sequence, 0, &mut |body| copy(bytes, body))
    }

    fn receive(&mut self) -> Result<Event<'_>, TargetError> {
        if self.over {
            return Err(TargetError::Over);
        }
        if self.asked.is_empty() {
            return Err(TargetError::Misuse("nothing was asked that could be answered"));
        }
        match self.next() {
            Ok((kind, sequence)) => {
                let body = self.running.wire.body();
                Ok(match kind {
                    Kind::Planned => {
                        let is_kept = u64::read_from_prefix(body).is_ok_and(|(kept, _)| kept == 1);
                        Event::Planned { sequence, is_kept }
                    }
                    Kind::Progress => Event::Progress { sequence, body },
                    Kind::Digest => {
                        Event::Observations { sequence, body: self.forecast.as_bytes() }
                    }
                    _ => Event::Observations { sequence, body },
                })
            }
            Err(how) => {
                self.over = true;
                self.running.life.end();
                Ok(Event::Died(self.death(how)))
            }
        }
    }
}

/// Copies `bytes` to the front of `body`, if they fit.
fn copy(bytes: &[u8], body: &mut [u8]) -> Option<usize> {
    body.get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some(bytes.len())
}

/// A machine that runs: the wire to it, its life, and who watches it.
struct Running<W> {
    wire: W,
    life: Box<dyn Life>,
    watchdog: Watchdog,
    /// Why it is held to hang, and what was seen of it then.
    hung: Option<(HungReason, String)>,
}

impl<W: Wire> Running<W> {
    /// Hello, Configure, Ready. The inner error is the target's fault.
    fn handshake(
        &mut self,
        description: &Description,
    ) -> Result<Result<(Hello, MemoryMap), HowDied>, TargetError> {
        let hello = match self.expect(Kind::Hello) {
            Ok(()) => self.hello(),
            Err(HowDied::OtherVersion { found }) => return Err(TargetError::Version { found }),
            Err(how) => return Ok(Err(how)),
        };
        // Whatever else a Hello of another version says, its version comes first.
        let version = u32::read_from_prefix(self.wire.body()).map_or(0, |(version, _)| version);
        if version != link::VERSION {
            return Err(TargetError::Version { found: version });
        }
        let Some(hello) = hello else {
            let size = self.wire.body().len();
            return Ok(Err(garbage(format!("its Hello of {size} bytes makes no sense"))));
        };
        if description.monitor && hello.entry_el != 3 {
            return Err(TargetError::NoMonitor { entry_el: hello.entry_el });
        }
        let wanted = u64::from(description.pes());
        if hello.pes < wanted {
            return Err(TargetError::TooFewPes { found: hello.pes, wanted });
        }
        let map = memory_map(description, hello.free())?;
        let configure = Configure::new(&map).with_pes(wanted);
        self.wire.send(Kind::Configure, 0, &mut |body| copy(configure.as_bytes(), body));
        Ok(self.expect(Kind::Ready).map(|()| (hello, map)))
    }

    /// The Hello that has just come, if it makes sense.
    fn hello(&self) -> Option<Hello> {
        let hello = Hello::read_from_bytes(self.wire.body()).ok()?;
        (1..=3).contains(&hello.entry_el).then_some(hello)
    }

    fn expect(&mut self, kind: Kind) -> Result<(), HowDied> {
        let head = self.wait()?;
        match head.kind() {
            Some(got) if got == kind => Ok(()),
            got => Err(garbage(format!("it sent {got:?} where {kind:?} was due"))),
        }
    }

    /// Waits for a message that is no epitaph. After an error the target is as good as dead.
    fn wait(&mut self) -> Result<Head, HowDied> {
        let mut pause = Pause::new();
        loop {
            if let Some(head) = self.take()? {
                return Ok(head);
            }
            if let Some((reason, seen)) = self.hung.take() {
                let said = [seen, self.life.end()];
                let said = said.into_iter().filter(|said| !said.is_empty()).collect::<Vec<_>>();
                return Err(HowDied::Hung { reason, said: said.join("\n") });
            }
            if pause.spin() {
                continue;
            }
            if let Some(end) = self.life.ended() {
                // What it said before it ended still counts.
                if let Some(head) = self.take()? {
                    return Ok(head);
                }
                let said = self.life.end();
                return Err(match end {
                    End::Exited(status) => HowDied::Exited { status, stderr: said },
                    End::Reset(sign) => HowDied::Reset { sign, said },
                    End::Lost(what) => HowDied::Lost { what },
                });
            }
            pause.sleep(&mut self.wire);
            if let Some((asked, took)) = pause.interval() {
                let progress = self.wire.progress();
                let look = Look { progress, vitals: self.life.vitals(), asked, took };
                if let Some(reason) = self.watchdog.look(look) {
                    // What it said before it hung still counts.
                    self.hung = self.wire.examine().map(|seen| (reason, seen));
                }
            }
        }
    }

    fn take(&mut self) -> Result<Option<Head>, HowDied> {
        let head = self.wire.take().map_err(|fault| match fault {
            Fault::Garbage(what) => garbage(what),
            Fault::Reset => HowDied::Reset {
                sign: "its executor has started anew".to_owned(),
                said: self.life.end(),
            },
            Fault::Version(found) => HowDied::OtherVersion { found },
        })?;
        match head.and_then(|head| head.kind()) {
            Some(Kind::Epitaph) => Err(match Epitaph::read_from_prefix(self.wire.body()) {
                Ok((epitaph, _)) => HowDied::Epitaph(epitaph),
                Err(_) => garbage("its epitaph is too short".to_owned()),
            }),
            _ => Ok(head),
        }
    }
}

fn garbage(what: String) -> HowDied {
    HowDied::Garbage { what }
}

/// How a wait goes on: a short spin, then ever longer sleeps, so that a target that is at work has
/// the processor.
struct Pause {
    spins: u32,
    next: Duration,
    asked: Duration,
    since: Option<Instant>,
}

impl Pause {
    const SPINS: u32 = 64;
    const FIRST: Duration = Duration::from_micros(20);
    const LONGEST: Duration = Duration::from_millis(2);

    const fn new() -> Self {
        Self { spins: 0, next: Self::FIRST, asked: Duration::ZERO, since: None }
    }

    /// Spins a little; `false` when it is time to sleep.
    fn spin(&mut self) -> bool {
        self.spins += 1;
        std::hint::spin_loop();
        self.spins <= Self::SPINS
    }

    fn sleep(&mut self, wire: &mut impl Wire) {
        self.since.get_or_insert_with(Instant::now);
        wire.sleep(self.next);
        self.asked += self.next;
        self.next = (self.next * 5 / 4).min(Self::LONGEST);
    }

    /// Time asked for and time taken since the last look, when the next look is due.
    fn interval(&mut self) -> Option<(Duration, Duration)> {
        let took = self.since?.elapsed();
        if took < INTERVAL {
            return None;
        }
        self.since = None;
        Some((std::mem::take(&mut self.asked), took))
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::mem::offset_of;
    use std::path::Path;

    use case::Case;
    use case::format::{AddressFormat, Format, Granule};
    use case::memory::Place;
    use case::probe::{Operation, Probe};
    use case::registers::Registers;
    use case::tree::{Role, Tree};
    use link::hello::{IdRegisters, MAX_REGIONS, Region};
    use link::mailbox::{self, Control, Cursor, response_offset};
    use link::observations::Report;
    use link::surroundings::Surroundings;
    use rustix::fs::{MemfdFlags, memfd_create};

    use super::*;
    use crate::mailbox::Mailbox;
    use crate::memory::SharedMemory;
    use crate::session::HungReason;
    use crate::watchdog::{Activity, Vitals};

    /// The target's side of a mailbox, which does what a test wants, right or wrong. It is written
    /// ahead: messages are there before the host looks.
    struct Pretend {
        memory: SharedMemory,
        answered: u64,
    }

    /// A life without a process.
    struct Ghost {
        ended: Option<String>,
        cpu: Duration,
    }

    impl Life for Ghost {
        fn ended(&mut self) -> Option<End> {
            self.ended.clone().map(End::Exited)
        }

        fn vitals(&mut self) -> Option<Vitals> {
            self.cpu += Duration::from_secs(1);
            Some(Vitals { cpu: self.cpu, activity: Activity::Running })
        }

        fn end(&mut self) -> String {
            "its last words".to_owned()
        }
    }

    const MAGIC: usize = offset_of!(Control, magic);
    const TAKEN: usize = offset_of!(Control, taken);
    const ANSWERED: usize = offset_of!(Control, answered);
    const CURSOR: usize = offset_of!(Control, cursor);

    impl Pretend {
        fn put(&mut self, kind: Kind, sequence: u64, body: &[u8]) {
            assert!(body.len().is_multiple_of(8));
            let head = Head::new(kind, body.len() as u32, sequence);
            let bytes = [head.as_bytes(), body].concat();
            let words: Vec<_> = bytes
                .chunks(8)
                .map(|word| u64::from_le_bytes(word.try_into().expect("whole words")))
                .collect();
            self.memory.write(response_offset(self.answered), &words);
            self.answered += 1;
            self.store(ANSWERED, self.answered);
        }

        fn store(&self, offset: usize, value: u64) {
            self.memory.store_release(offset, value);
        }
    }

    fn pair() -> (Pretend, Mailbox) {
        let file = memfd_create("mailbox", MemfdFlags::CLOEXEC).map(File::from).expect("memory");
        file.set_len(mailbox::BYTES as u64).expect("memory");
        let map = || SharedMemory::map(&file, 0, mailbox::BYTES).expect("it can be mapped");
        let pretend = Pretend { memory: map(), answered: 0 };
        pretend.store(MAGIC, Control::MAGIC);
        (pretend, Mailbox::new(map()))
    }

    fn hello() -> Hello {
        let mut free = [Region::default(); MAX_REGIONS];
        free[0] = Region { base: 0x4000_0000, size: 0x4000_0000 };
        Hello {
            version: link::VERSION,
            entry_el: 2,
            image: 0,
            entry_hcr_el2: 0,
            entry_sctlr_el2: 0,
            ids: IdRegisters::default(),
            pes: 1,
            surroundings: Surroundings::default(),
            free_count: 1,
            free,
        }
    }

    fn boot(wire: Mailbox, ended: Option<&str>) -> Result<Machine<Mailbox>, TargetError> {
        let text = "name: t\nstart: { qemu: { machine: virt, cpu: max, memory: 1G } }\n\
                    transport: { mailbox: { address: 0x7000_0000 } }\n\
                    carve: { count: 1, size: 8M }\nlimits: { busy-seconds: 2 }";
        let description = Description::from_text(text, Path::new("t.yaml")).expect("it is whole");
        let life = Ghost { ended: ended.map(str::to_owned), cpu: Duration::ZERO };
        Machine::boot(&description, wire, Box::new(life), |death| TargetError::Boot {
            death: Box::new(death),
            command: String::new(),
            remedy: "",
        })
    }

    fn booted() -> (Pretend, Machine<Mailbox>) {
        let (mut pretend, wire) = pair();
        pretend.put(Kind::Hello, 0, hello().as_bytes());
        pretend.put(Kind::Ready, 0, &[]);
        let machine = boot(wire, None).expect("all is well");
        pretend.store(TAKEN, 1);
        (pretend, machine)
    }

    fn case() -> Case {
        let format = Format {
            granule: Granule::K4,
            start_level: 1,
            ia_bits: 39,
            address: AddressFormat::Bits48,
        };
        let mut case = Case::with_tree(
            Registers::default(),
            Tree::new(Role::Stage2, format, Place::new(0, 0)),
        );
        for _ in 0..4 {
            case.push_probe(Probe::new(Operation::AtS12e1r, 0)).expect("there is room");
        }
        case
    }

    fn death(machine: &mut Machine<Mailbox>) -> Death {
        let death = match machine.receive() {
            Ok(Event::Died(death)) => death,
            other => panic!("{other:?}"),
        };
        assert!(matches!(machine.receive(), Err(TargetError::Over)));
        assert!(matches!(machine.send_case(9, case().as_ref()), Err(TargetError::Over)));
        death
    }

    /// What a target of whom a test says the worst is told to have babbled.
    fn babble(break_it: impl FnOnce(&mut Pretend)) -> String {
        let (mut pretend, mut machine) = booted();
        machine.send_case(7, case().as_ref()).expect("there is room");
        break_it(&mut pretend);
        match death(&mut machine).how {
            HowDied::Garbage { what } => what,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn cases_are_answered_in_order() {
        let (mut pretend, mut machine) = booted();
        assert_eq!(machine.memory_map().arenas()[0].base, 0x7f80_0000);
        for sequence in [70, 80] {
            machine.send_case(sequence, case().as_ref()).expect("there is room");
        }
        let mut words = [0; 2];
        pretend.memory.read(mailbox::request_offset(1), &mut words);
        assert_eq!(words[1], 70);
        for sequence in [70u64, 80] {
            pretend.put(Kind::Observations, sequence, sequence.as_bytes());
            match machine.receive() {
                Ok(Event::Observations { sequence: got, body }) => {
                    assert_eq!((got, body), (sequence, sequence.as_bytes()));
                }
                other => panic!("{other:?}"),
            }
        }
        assert!(matches!(machine.receive(), Err(TargetError::Misuse(_))));
    }

    #[test]
    fn a_repeated_case_is_answered_as_such_and_as_nothing_else() {
        let (mut pretend, mut machine) = booted();
        machine.send_repeat(70, 9, case().as_ref()).expect("there is room");
        let mut words = [0; 3];
        pretend.memory.read(mailbox::request_offset(1), &mut words);
        assert_eq!((words[0] as u32, words[1], words[2]), (Kind::Repeat as u32, 70, 9));
        pretend.put(Kind::Repeated, 70, 7u64.as_bytes());
        let event = machine.receive();
        assert!(matches!(event, Ok(Event::Observations { sequence: 70, .. })), "{event:?}");

        machine.send_repeat(71, 9, case().as_ref()).expect("there is room");
        pretend.put(Kind::Observations, 71, &[]);
        assert!(matches!(death(&mut machine).how, HowDied::Garbage { .. }));
        // No campaign can take the answer of a measurement for that of a case.
        let what = babble(|pretend| pretend.put(Kind::Repeated, 7, &[]));
        assert!(what.contains("Repeated"), "{what}");
    }

    #[test]
    fn a_full_window_is_the_callers_mistake() {
        let (_pretend, mut machine) = booted();
        for sequence in 0..machine.window() as u64 {
            machine.send_case(sequence, case().as_ref()).expect("there is room");
        }
        let result = machine.send_case(99, case().as_ref());
        assert!(matches!(result, Err(TargetError::Misuse(_))), "{result:?}");
    }

    #[test]
    fn the_dead_are_charged_to_the_probe_at_the_cursor() {
        let (pretend, mut machine) = booted();
        for sequence in [70, 80] {
            machine.send_case(sequence, case().as_ref()).expect("there is room");
        }
        let answers = response_offset(2) + Head::BYTES + size_of::<Report>();
        pretend.memory.write(answers, &[11, 12, 13, 14]);
        pretend.store(CURSOR, Cursor::new(1, 3).0);
        machine.running.life =
            Box::new(Ghost { ended: Some("signal: 6".to_owned()), cpu: Duration::ZERO });
        let stderr = "its last words".to_owned();
        let expected = Death {
            how: HowDied::Exited { status: "signal: 6".to_owned(), stderr },
            cursor: Some(CaseCursor { sequence: 70, probe: Some(3) }),
            answers_before: vec![11, 12, 13],
        };
        assert_eq!(death(&mut machine), expected);
    }

    #[test]
    fn a_cursor_that_makes_no_sense_charges_nobody() {
        for cursor in [Cursor(0), Cursor(1), Cursor::new(9, 0), Cursor(u64::MAX)] {
            let (pretend, mut machine) = booted();
            machine.send_case(7, case().as_ref()).expect("there is room");
            pretend.store(CURSOR, cursor.0);
            pretend.store(ANSWERED, 99);
            assert_eq!(death(&mut machine).cursor, None, "{cursor:?}");
        }
        let (pretend, mut machine) = booted();
        machine.send_case(7, case().as_ref()).expect("there is room");
        pretend.store(CURSOR, Cursor::new(1, 400).0);
        pretend.store(ANSWERED, 99);
        let cursor = death(&mut machine).cursor;
        assert_eq!(cursor, Some(CaseCursor { sequence: 7, probe: None }));
    }

    #[test]
    fn work_without_progress_is_a_hang() {
        let (_pretend, mut machine) = booted();
        machine.send_case(7, case().as_ref()).expect("there is room");
        let how = death(&mut machine).how;
        let reason = HungReason::Busy { milliseconds: 2000 };
        assert_eq!(how, HowDied::Hung { reason, said: "its last words".to_owned() });
    }

    #[test]
    fn an_epitaph_is_passed_on() {
        let (mut pretend, mut machine) = booted();
        machine.send_case(7, case().as_ref()).expect("there is room");
        let epitaph = Epitaph { reason: Epitaph::PANIC, esr: 42, elr: 0, far: 0 };
        pretend.put(Kind::Epitaph, 0, epitaph.as_bytes());
        let death = death(&mut machine);
        assert_eq!(death.how, HowDied::Epitaph(epitaph));
        assert_eq!(death.to_string(), "the executor panicked (line 42)");
    }

    #[test]
    fn impossible_counters_are_babble() {
        for answered in [1, 0, 19, 1 << 40, u64::MAX] {
            let what = babble(|pretend| pretend.store(ANSWERED, answered));
            assert!(what.contains("where 2 have been read"), "{what}");
        }
        let (mut pretend, mut machine) = booted();
        machine.send_case(7, case().as_ref()).expect("there is room");
        pretend.put(Kind::Observations, 7, &[]);
        assert!(matches!(machine.receive(), Ok(Event::Observations { .. })));
        pretend.store(TAKEN, 77);
        machine.send_case(8, case().as_ref()).expect("there is room");
        let how = death(&mut machine).how;
        assert!(matches!(&how, HowDied::Garbage { what } if what.contains("taken 77")), "{how:?}");
    }

    #[test]
    fn impossible_messages_are_babble() {
        let what = babble(|pretend| {
            pretend.memory.write(response_offset(2), &[0xffff_ffff_ffff_ffff, 7]);
            pretend.store(ANSWERED, 3);
        });
        assert!(what.contains("no head"), "{what}");
        let what = babble(|pretend| {
            let head = Head::new(Kind::Observations, 0xffff_fff8, 7);
            let words = <[u64; 2]>::read_from_bytes(head.as_bytes()).expect("two words");
            pretend.memory.write(response_offset(2), &words);
            pretend.store(ANSWERED, 3);
        });
        assert!(what.contains("no head"), "{what}");
        let what = babble(|pretend| pretend.put(Kind::Observations, 8, &[]));
        assert!(what.contains("answered case 8 where case 7"), "{what}");
        let what = babble(|pretend| pretend.put(Kind::Ready, 7, &[]));
        assert!(what.contains("Ready"), "{what}");
        let what = babble(|pretend| pretend.put(Kind::Epitaph, 7, &[]));
        assert!(what.contains("epitaph"), "{what}");
        let what = babble(|pretend| {
            pretend.store(MAGIC, 1);
            pretend.put(Kind::Observations, 7, &[]);
        });
        assert!(what.contains("begins with 0x1"), "{what}");
    }

    #[test]
    fn a_target_that_does_not_come_up_is_an_error_that_says_why() {
        type Prepare<'a> = &'a dyn Fn(&mut Pretend);
        let refusal = |prepare: Prepare<'_>, ended| {
            let (mut pretend, wire) = pair();
            prepare(&mut pretend);
            let error = boot(wire, ended).err().expect("it does not come up");
            error.to_string()
        };
        let refused: [(Prepare<'_>, Option<&str>, &str); 7] = [
            (&|_| {}, None, "it hung"),
            (&|_| {}, Some("exit status: 1"), "ended: exit status: 1"),
            (&|pretend| pretend.put(Kind::Ready, 0, &[]), None, "Some(Ready) where Hello"),
            (&|pretend| pretend.put(Kind::Hello, 0, &[]), None, "version 0"),
            (
                &|pretend| pretend.put(Kind::Hello, 0, u64::from(link::VERSION).as_bytes()),
                None,
                "makes no sense",
            ),
            (
                &|pretend| {
                    let hello = Hello { version: 77, ..hello() };
                    pretend.put(Kind::Hello, 0, hello.as_bytes());
                },
                None,
                "version 77",
            ),
            (
                &|pretend| {
                    let hello = Hello { free_count: 0, ..hello() };
                    pretend.put(Kind::Hello, 0, hello.as_bytes());
                },
                None,
                "no room for 1 arenas of 8M",
            ),
        ];
        for (prepare, ended, reason) in refused {
            let message = refusal(prepare, ended);
            assert!(message.contains(reason), "{message}");
        }
    }
}
