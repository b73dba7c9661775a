//! `hypwalk image`: an image that asks a suite's cases without a host, and what its log tells.

use std::fs::{self, File};
use std::io;
use std::num::NonZeroU64;
use std::ops::Range;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use device::{Description, TargetError};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use judge::established::Established;
use judge::personality::Personality;
use link::batch::{Batch, Log};
use link::config::Config;
use object::read::ReadCache;
use object::{Object as _, ObjectSegment as _};
use payload::Executor;
use suite::machine::Machine;
use suite::{Overrides, Suite};

use super::known_errata::{self, ErrataArgs};
use super::lookup::Shelf;
use super::results::Results;
use super::soak::judged;
use super::target::{HowToRun, Opened};
use crate::campaign::batch::{BatchError, FoundLog, batch};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{print, remark};
use crate::plan::{Plan, Shard};
use crate::record::{Header, Request, RunEnd, RunFolder, RunId, SoakHeader};
use crate::report::terminal::Table;

/// Make an image that asks a suite's cases without a host, or read the log that it left in memory.
///
/// The target is started once for an image, since its ID registers and its memory decide which cases there are. The
/// image then runs by itself, as `soak` does; it reports on the console and in a log in its own memory.
/// The first words of the log, 4 KB aligned: `hypwlog`, a version, and `running`, `pass`, `fail` or `died`. A dump
/// of the memory is read by the same command, with `--read` in place of `-o`, and judged as ever.
#[derive(Debug, Args)]
pub struct Image {
    /// The suite: a path, or the name of a file in suites/.
    #[arg(value_name = "SUITE")]
    suite: PathBuf,
    /// The target: a path, or the name of a file in suites/targets/.
    #[arg(long, value_name = "TARGET")]
    target: PathBuf,
    /// Write the image here.
    #[arg(short, long, value_name = "FILE", required_unless_present = "read")]
    output: Option<PathBuf>,
    /// Read the log in this dump of memory: an ELF core, or the bytes as they are.
    #[arg(long, value_name = "DUMP", conflicts_with_all = ["output", "form", "report", "end"])]
    read: Option<PathBuf>,
    /// What the image is.
    #[arg(long, value_name = "FORM", default_value = "image")]
    form: Form,
    /// What it says on the console.
    #[arg(long, value_name = "HOW", default_value = "tap")]
    report: Reporting,
    /// What it does in the end.
    #[arg(long, value_name = "HOW", default_value = "off")]
    end: End,
    /// Begin the random numbers elsewhere than the suite says.
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// Begin with the case of this number.
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    first: u64,
    /// Ask so many cases; a suite that ends with a random generator goes on until then.
    #[arg(long, value_name = "NUMBER")]
    cases: Option<NonZeroU64>,
    #[command(flatten)]
    results: Results,
    #[command(flatten)]
    errata: ErrataArgs,
    #[command(flatten)]
    how: HowToRun,
}

/// What an image is.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Form {
    /// A Linux `Image`, which UEFI starts too.
    Image,
    /// The same bytes, for UEFI.
    Efi,
    /// An ELF file.
    Elf,
}

/// What an image says on the console.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Reporting {
    /// TAP.
    Tap,
    /// LAVA's test case signals.
    Lava,
    /// Both.
    Both,
    /// Nothing but a last line: the log in memory tells all.
    Memory,
}

/// What an image does in the end.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum End {
    /// PSCI SYSTEM_OFF, where there is PSCI.
    Off,
    /// PSCI SYSTEM_RESET, where there is PSCI.
    Reset,
    /// It waits for ever.
    Wait,
}

/// What is asked of whom.
struct Subject {
    suite: Suite,
    overrides: Overrides,
    opened: Opened,
    established: Established,
}

impl Image {
    /// Does it.
    pub fn run(self) -> Result<Exit, Failure> {
        let cases = self.cases.map(|cases| self.first.saturating_add(cases.get()));
        let overrides = Overrides { seed: self.seed, cases, ..Overrides::default() };
        let mut suite = Suite::read(&Shelf::Suites.find(&self.suite)?)?;
        suite.apply(&overrides);
        suite.generators.iter().try_for_each(judged)?;
        let errata = self.errata.read()?;
        let opened = self.how.open(&self.target)?;
        let known = known_errata::of(errata.as_ref(), opened.target.identity());
        let established = Established { learned: opened.learned.clone(), known };
        let subject = Subject { suite, overrides, opened, established };
        match (&self.read, &self.output) {
            (Some(dump), _) => self.read(dump, subject),
            (None, Some(file)) => self.write(file, &subject),
            (None, None) => Err(Failure::new(Exit::Bug, "neither an image nor a dump is named")),
        }
    }

    fn write(&self, file: &Path, subject: &Subject) -> Result<Exit, Failure> {
        let Subject { suite, opened, established, .. } = subject;
        let seed = suite.seed.number(Timestamp::now().to_zoned(TimeZone::UTC).date());
        let session = opened.target.boot()?;
        let (hello, map) = (*session.hello(), session.memory_map().clone());
        drop(session);
        let plan = Plan::new(suite.generators.clone(), hello.abilities(), map, seed);
        let end = plan.count().min(suite.cases.unwrap_or(u64::MAX));
        if end == u64::MAX {
            let error = "the suite has no end but that of time, and an image has none";
            return Err(Failure::new(Exit::Usage, error).help("say how many --cases"));
        }
        let Some(count) = end.checked_sub(self.first).filter(|count| *count > 0) else {
            let error = format!("the suite has no case {}: it has {end}", self.first);
            return Err(Failure::new(Exit::Usage, error));
        };
        let report = match self.report {
            Reporting::Tap => Batch::TAP,
            Reporting::Lava => Batch::LAVA,
            Reporting::Both => Batch::TAP | Batch::LAVA,
            Reporting::Memory => 0,
        };
        let ending = match self.end {
            End::Off => Batch::OFF,
            End::Reset => Batch::RESET,
            End::Wait => Batch::WAIT,
        };
        let batch = batch(&plan, established, self.first, count, report, ending)?;
        let description = Description::from_text(&opened.file.text, &opened.file.file);
        let mut description = description.map_err(TargetError::from)?;
        description.pe = opened.file.pe.or(description.pe);
        // Nobody is at the other end of a mailbox.
        let config = Config { mailbox: 0, ..description.config() };
        let executor = Executor::open(&opened.executor).map_err(TargetError::from)?;
        let bytes = match self.form {
            Form::Image | Form::Efi => executor.batch_image(&config, &batch),
            Form::Elf => executor.batch_elf(&config, &batch),
        };
        let bytes = bytes.map_err(TargetError::from)?;
        fs::write(file, &bytes).map_err(|error| {
            Failure::new(Exit::Results, format!("{} can't be written: {error}", file.display()))
        })?;
        let (name, target) = (&suite.name, &opened.target.identity().name);
        print(format_args!(
            "{}: {} bytes, {count} cases of {name} for {target}, seed {seed}\n",
            file.display(),
            bytes.len()
        ))?;
        Ok(Exit::Conforms)
    }

    fn read(&self, dump: &Path, subject: Subject) -> Result<Exit, Failure> {
        let Subject { suite, overrides, opened, established } = subject;
        let told = |error: BatchError| Failure::from(error).of(dump);
        let file = File::open(dump).map_err(|error| told(error.into()))?;
        let pieces = pieces(&file).map_err(|error| told(error.into()))?;
        let log = FoundLog::find(&file, pieces).map_err(told)?;
        let (head, map) = (log.head, log.map().map_err(told)?);
        let is_monitored = head.entry_el == 3;
        let abilities = head.ids.abilities().with_monitor(is_monitored);
        let plan = Plan::new(suite.generators.clone(), abilities, map, head.seed);
        let wanted = batch(&plan, &established, head.first, head.count, 0, 0)?;
        if wanted.digest() != head.digest {
            return Err(told(BatchError::Foreign));
        }
        let records = log.records(&plan, &established).map_err(told)?;
        match head.state {
            Log::RUNNING => remark("note: the image had not come to its end"),
            Log::DIED => remark("note: the executor could not go on; its console said why"),
            _ => {}
        }

        let identity = opened.target.identity();
        let time = Timestamp::now();
        let salt = std::process::id() ^ time.subsec_nanosecond().unsigned_abs();
        let id = RunId::new(time, &suite.name, &identity.name, salt as u16);
        let folder = RunFolder::create(self.results.folder(), &id)?;
        let machine =
            Machine::new(&identity.name, identity.emulator.clone(), &head.ids, plan.map());
        let asked = Request {
            suite: &suite,
            overrides,
            seed: head.seed,
            shard: Shard::WHOLE,
            soak: Some(SoakHeader { first: head.first }),
            target: opened.file.clone(),
        };
        let known = established.known.record();
        let header = Header::new(id, time, asked, machine.with_monitor(is_monitored), known);
        let mut writer = folder.begin(header)?;
        let mut personality = Personality::default();
        for mut record in records {
            personality.take(&mut record);
            let case = match record.findings.is_empty() {
                true => None,
                false => plan.case(record.index).and_then(Result::ok),
            };
            writer.record(&record, case.as_ref())?;
        }
        let mut profile = established.learned.settled();
        profile.extend(personality.answers());
        let folder = writer.folder().to_owned();
        // How long it took nobody knows.
        let ending = RunEnd { workers: 1, boots: 1, profile, ..RunEnd::default() };
        let summary = writer.finish(ending)?;
        print(format_args!(
            "{}\n",
            Table { summary: &summary, folder: &folder, is_verbose: false }
        ))?;
        Ok(summary.exit())
    }
}

/// The pieces of memory in a dump: the segments of an ELF core, or all of it.
fn pieces(dump: &File) -> io::Result<Vec<Range<u64>>> {
    let cache = ReadCache::new(dump);
    let whole = 0..dump.metadata()?.len();
    Ok(match object::File::parse(&cache) {
        Ok(core) => {
            let ranges = core.segments().map(|segment| segment.file_range());
            ranges.map(|(offset, bytes)| offset..offset.saturating_add(bytes)).collect()
        }
        Err(_) => Vec::from_iter([whole]),
    })
}

impl From<BatchError> for Failure {
    fn from(error: BatchError) -> Self {
        let help = match &error {
            BatchError::TooLarge { .. } => "take fewer cases that are spelled out",
            BatchError::NoLog => {
                "dump the memory in which the image runs, with what lies behind its file"
            }
            BatchError::Version { .. } => "read it by the version that made the image",
            BatchError::Read(_) => "see that it is a file, and yours to read",
            BatchError::Torn(_) => "dump the memory once more, whole",
            BatchError::Foreign => "name the suite, target and seed that the image was made of",
            BatchError::Campaign(_) => "hypwalk run asks such a suite case by case",
        };
        let exit = Exit::Usage;
        Self::new(exit, error).help(help)
    }
}
