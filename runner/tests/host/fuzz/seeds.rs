//! What fuzzing begins with: small files of every kind, made from real types and real vectors.
//!
//! They are in `runner/fuzz/corpus`, a folder for each target; suites and targets of the repository are
//! not copied there, but read where they are.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use case::abilities::{Abilities, Ids};
use case::draw::{NotDrawn, Space};
use case::mapping::Mapping;
use case::memory::{Arena, ArenaKind, MemoryMap, Place};
use case::probe::{Operation, Probe};
use case::source::Source;
use case::tree::{Role, Tree};
use case::world_switch::SwitchPlaces;
use case::{Case, Flags, scratch};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use judge::difference::Difference;
use judge::known::Record;
use judge::observation::Observation;
use judge::verdict::{
    CaseRecord, Counts, Finding, Observed, ProbeKind, Question, Reason, Signature, Verdict, Wanted,
};
use judge::verdict::{Ending as Allowed, Outcome};
use link::hello::{Configure, Epitaph, Hello, IdRegisters, OwnMap, Region};
use link::message::{Head, MessageKind};
use link::observations::{
    Audited, Changed, Exception, NO_ANSWER, Point, Report, Status, SwitchTrace, Update,
};
use link::surroundings::{Surroundings, Text};
use oracle::answer::Answer;
use runner::plan::Shard;
use runner::record::{Header, Request, RunEnd, RunId, Summary, Tally, TargetHeader};
use suite::case_file::{CaseFile, Origin};
use suite::hex::Hex;
use suite::machine::Machine;
use suite::{Overrides, Suite};
use zerocopy::IntoBytes;

use super::decoders::records::SEPARATOR;
use crate::common::folders::root;

use crate::common::machines::with_tables;

/// A file's name, and what is in it.
type Seed = (String, Vec<u8>);

/// The seeds of `target`: its corpus, and what the repository has beside.
pub fn read(target: &str) -> Vec<Seed> {
    let mut folders = vec![root().join("runner/fuzz/corpus").join(target)];
    if target == "suites" {
        folders.extend(["suites", "suites/targets", "suites/errata"].map(|at| root().join(at)));
    }
    let mut seeds = Vec::new();
    for folder in folders {
        let entries = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
        let files = entries.map(|entry| entry.unwrap().path()).filter(|file| file.is_file());
        let seed = |file: PathBuf| (file.display().to_string(), fs::read(&file).unwrap());
        seeds.extend(files.filter(|file| !file.ends_with("README.md")).map(seed));
    }
    seeds.sort();
    seeds
}

/// Writes the corpus of `target` anew.
pub fn overwrite(target: &str) {
    let seeds = match target {
        "mailbox" => mailbox(),
        "frames" => frames(),
        "gdb" => gdb(),
        "case" => cases(),
        "records" => records(),
        "vectors" => vectors(),
        "suites" => suites(),
        other => panic!("no seeds are known for {other}"),
    };
    let folder = root().join("runner/fuzz/corpus").join(target);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    for (name, bytes) in seeds {
        fs::write(folder.join(name), bytes).unwrap();
    }
}

fn named(seeds: impl IntoIterator<Item = (&'static str, Vec<u8>)>) -> Vec<Seed> {
    seeds.into_iter().map(|(name, bytes)| (name.to_owned(), bytes)).collect()
}

// --- what travels ------------------------------------------------------------------------------

fn ids() -> IdRegisters {
    IdRegisters {
        midr_el1: 0x000f_0510,
        id_aa64mmfr0_el1: 0x2100_0323_1020_1126,
        id_aa64mmfr1_el1: 0x1021_2122,
        id_aa64mmfr2_el1: 0x0020_0111_1001_1011,
        ..IdRegisters::default()
    }
}

fn map() -> MemoryMap {
    let mut map = with_tables(&[0x8000_0000, 0x8_1234_0000]);
    map.push(Arena { base: 1 << 50, size: 1 << 30, kind: ArenaKind::Void }).unwrap();
    map.push(Arena { base: 0xa600_0000, size: scratch::BYTES, kind: ArenaKind::Scratch }).unwrap();
    map
}

/// A case of two trees, with a world switch.
fn world_switch() -> Case {
    let mut case = case(0);
    let format = case.as_ref().format(Role::Stage2).unwrap();
    case.push_tree(Tree::new(Role::Ttbr0El2, format, Place::new(1, 0x10_0000))).unwrap();
    let mapping = case.as_ref().mappings[0];
    case.push_mapping(Mapping { tree: 1, ..mapping }).unwrap();
    let place = Place::new(3, 0);
    let (code_va, data_va) = (0x8000_0000, 0x8001_0000);
    let places =
        SwitchPlaces { trampoline: place, exit: place, code: place, code_va, data: place, data_va };
    case.set_world_switch(places);
    case.set_flags(Flags(Flags::WORLD_SWITCH));
    case.push_probe(Probe::new(Operation::Fetch, 0x8003_0000)).unwrap();
    case
}

fn case(hostile: u64) -> Case {
    let space = Space { hostile, probes: 4, mappings: [1, 3], ..Space::BENIGN };
    Source::Random(space).draw(&abilities(), &map(), 1, 7).unwrap()
}

fn abilities() -> Abilities {
    let ids = ids();
    Abilities::new(&Ids {
        id_aa64mmfr0_el1: ids.id_aa64mmfr0_el1,
        id_aa64mmfr1_el1: ids.id_aa64mmfr1_el1,
        id_aa64mmfr2_el1: ids.id_aa64mmfr2_el1,
        ..Ids::default()
    })
}

fn words_of(case: &Case) -> Vec<u8> {
    let mut words = vec![0; case.as_ref().wire_bytes()];
    case.as_ref().write_to(&mut words).unwrap();
    words
}

/// A body of every kind.
fn bodies() -> Vec<(&'static str, MessageKind, Vec<u8>)> {
    let mut free = [Region::default(); link::hello::MAX_REGIONS];
    free[0] = Region { base: 0x4020_0000, size: 0x3fe0_0000 };
    free[1] = Region { base: 0x8000_0000, size: 0x4000_0000 };
    let hello = Hello {
        version: link::VERSION,
        entry_el: 2,
        image: 0x4008_0000,
        entry_hcr_el2: 1 << 31,
        own_map: OwnMap::ON,
        entry_sctlr_el2: 0x30c5_0830,
        ids: ids(),
        pes: 1,
        surroundings: Surroundings {
            model: Text::new(b"linux,dummy-virt"),
            ..Surroundings::default()
        },
        free_count: 2,
        free,
    };
    let mut report = Report::new(Status::Done);
    (report.answers, report.exceptions, report.updates, report.audited) = (3, 1, 1, 1);
    let answers = [0xff00_0000_8000_0b80u64, 0x0a0b, NO_ANSWER];
    let exception = Exception { probe: 2, esr: 0x9600_0004, far: 0x1000, ..Exception::default() };
    let update = Update { probe: 1, pa: 0x8000_1000, value: 0x4000_07ff };
    (report.changed, report.traces) = (1, 1);
    let changed = Changed { pa: 0x9002_0008, value: scratch::stored(2) };
    let point = Point { pc: 0x9000_0000, sctlr_el2: 1, ..Point::default() };
    let trace =
        SwitchTrace { trampoline: point, runtime: point, exit: point, ..SwitchTrace::default() };
    let audited = Audited { pa: 0x8000_1000, value: 0x4000_07ff };
    let observations = [
        report.as_bytes(),
        answers.as_bytes(),
        exception.as_bytes(),
        update.as_bytes(),
        changed.as_bytes(),
        trace.as_bytes(),
        audited.as_bytes(),
    ];
    let epitaph = Epitaph { reason: Epitaph::PANIC, esr: 77, elr: 0x1234, far: 0 };
    vec![
        ("hello", MessageKind::Hello, hello.as_bytes().to_vec()),
        ("configure", MessageKind::Configure, Configure::new(&map()).as_bytes().to_vec()),
        ("ready", MessageKind::Ready, vec![]),
        ("case", MessageKind::Case, words_of(&case(0))),
        ("observations", MessageKind::Observations, observations.concat()),
        ("epitaph", MessageKind::Epitaph, epitaph.as_bytes().to_vec()),
    ]
}

fn frames() -> Vec<Seed> {
    let message =
        |kind, body: &[u8]| [Head::new(kind, body.len() as u32, 3).as_bytes(), body].concat();
    named(bodies().into_iter().map(|(name, kind, body)| (name, message(kind, &body))))
}

/// Answers to what is asked of a debugger, one a line: its features, `vCont?`, QEMU's own question, the
/// description, a monitor command, memory in binary, two pieces to write and two to read.
fn gdb() -> Vec<Seed> {
    let zeros = |bytes: usize| "00".repeat(bytes);
    let modern = [
        "PacketSize=1000;QStartNoAckMode+;qXfer:features:read+;vContSupported+",
        "OK",
        "vCont;c;C;s;S",
        "0",
        "OK",
        "l<target><architecture>aarch64</architecture><xi:include href=\"core.xml\"/></target>",
        "m<feature><reg name=\"x0\" bitsize=\"64\"/><reg name=\"pc\" regnum=\"32\"/>",
        "l<reg name=\"cpsr\" bitsize=\"32\"/></feature>",
        "O6f6b0a",
        "OK",
        "OK",
        "OK",
        "OK",
        &zeros(600),
        &zeros(16),
    ];
    let old = ["", "", "", "E01", "", "OK", "OK", "OK", "OK", &zeros(100), &zeros(16)];
    let small = ["PacketSize=190", "vCont;c", "", "6f6b", "", "OK", "E01"];
    let lines = |lines: &[&str]| lines.join("\n").into_bytes();
    named([("modern", lines(&modern)), ("old", lines(&old)), ("small", lines(&small))])
}

/// Steps as `decoders::mailbox` has them.
fn mailbox() -> Vec<Seed> {
    const ANSWER: u8 = 0;
    const TAMPER: u8 = 1;
    const TAKE_REQUEST: u8 = 2;
    const TAKE: u8 = 3;
    const ASK: u8 = 4;
    const LOOK: u8 = 5;

    let answer = |kind: MessageKind, body: &[u8]| {
        [&[ANSWER, kind as u8 - 1, 3, (body.len() / 8) as u8], body].concat()
    };
    let mut seeds: Vec<_> = bodies()
        .into_iter()
        .filter(|(_, kind, _)| *kind != MessageKind::Configure)
        .map(|(name, kind, body)| (name, [&answer(kind, &body)[..], &[TAKE]].concat()))
        .collect();
    let ready = answer(MessageKind::Ready, &[]);
    let ask = [&[ASK, 2][..], &[9; 16]].concat();
    let both_ways = [&ask[..], &ask, &[TAKE_REQUEST, LOOK, 2, 0], &ready, &[TAKE, TAKE_REQUEST]];
    seeds.push(("both-ways", both_ways.concat()));
    seeds.push(("full", [ready.repeat(17), ask.repeat(17), vec![TAKE; 17]].concat()));
    // The counter of answers, and the first word of a slot, are not what they should be.
    let counter = [&[TAMPER, 0x80, 1][..], &[0xff; 8], &[TAKE, LOOK, 9, 9]];
    seeds.push(("wild-counter", [&ready[..], &[TAKE], &counter.concat()].concat()));
    let head = [&[TAMPER, 0, 8][..], &[0x55; 8], &[TAKE]];
    seeds.push(("wild-head", [&ready[..], &[TAKE], &ready, &head.concat()].concat()));
    // A body that is a word larger than a slot has room for.
    let large = (link::MAX_MESSAGE as u64 - 8) << 32 | MessageKind::Observations as u64;
    let head = [&[TAMPER, 0, 0x18][..], &large.to_le_bytes(), &[TAKE]];
    seeds.push(("large-head", [&ready[..], &[TAKE], &ready, &head.concat()].concat()));
    named(seeds)
}

fn cases() -> Vec<Seed> {
    let space = Space { ipa_bits: u64::MAX, probes: 4, ..Space::BENIGN };
    let shape = Source::Shapes(space).draw(&abilities(), &map(), 1, 5).unwrap();
    named([
        ("benign", words_of(&case(0))),
        ("hostile", words_of(&case(1000))),
        ("shape", words_of(&shape)),
        ("stay", words_of(&world_switch())),
    ])
}

// --- what people and disks have ----------------------------------------------------------------

fn machine() -> Machine {
    Machine::new("qemu-max", Some("10.0.2".to_owned()), &ids(), &map())
}

fn header() -> Header {
    let text = "name: smoke\ngenerators:\n  - legality: {}\n";
    let suite = Suite::from_text(text, Path::new("smoke.yaml")).unwrap();
    let time = Timestamp::from_second(1_795_255_607).unwrap();
    let asked = Request {
        suite: &suite,
        overrides: Overrides::default(),
        seed: 7,
        shard: Shard::WHOLE,
        soak: None,
        target: TargetHeader::default(),
    };
    let id = RunId::new(time, &suite.name, "qemu-max", 0x3f2a);
    Header::new(id, time, asked, machine(), Record::default())
}

fn finding() -> Finding {
    let probe = Probe::new(Operation::AtS12e1r, 0x1fca_f33c_97bc).on(1).with(Probe::TOGETHER);
    let answer = Answer::Par { par: golden::Masked::new(0xa03, 0xfff), fault: None };
    let observation = Observation::Par(0xff00_0000_8000_0b80);
    let difference = Difference::new(&answer, &observation, true);
    let update = link::observations::Update { probe: 3, pa: 0x4000_0000, value: 0x403 };
    Finding {
        probe: Some(3),
        verdict: Verdict::Mismatch,
        signature: Signature::of_answer(probe.operation().unwrap(), Some(difference)),
        question: Question::of(&probe),
        expectation: Wanted::Outcomes(vec![Outcome {
            ending: Allowed::of(&answer),
            updates: Vec::new(),
            choices: vec![vec![("par_xs".to_owned(), vec!["reported".to_owned()])]],
        }]),
        observation: Observed::new(&observation, &[update]),
        errata: vec!["AT-sets-dirty-state".to_owned()],
        rule: None,
    }
}

fn records() -> Vec<Seed> {
    let verdicts = Counts { conforms: 3, ..Counts::default() };
    let good = CaseRecord { index: 0, probes: 3, verdicts, digest: 5, ..CaseRecord::default() };
    let mut bad = CaseRecord { index: 1, findings: vec![finding()], ..good.clone() };
    bad.verdicts.add(Verdict::Mismatch);
    let kind = ProbeKind::of(&Probe::new(Operation::AtS12e1w, 0), None).unwrap();
    bad.not_asked.add(Reason::Quarantined(kind), 2);
    bad.not_asked.add(Reason::NotDrawn(NotDrawn::NoArena), 1);
    bad.settled.insert("txsz_above_max".to_owned(), vec!["clamp".to_owned(), "fault".to_owned()]);
    let mut tally = Tally::default();
    let mut lines = Vec::new();
    for record in [&good, &bad] {
        tally.add(record);
        serde_json::to_writer(&mut lines, record).unwrap();
        lines.push(b'\n');
    }
    let header = header();
    let summary =
        Summary::new(&header, tally, Some(RunEnd { seconds: 2.5, ..RunEnd::default() }), None);
    let header = serde_json::to_vec_pretty(&header).unwrap();
    let summary = serde_json::to_vec_pretty(&summary).unwrap();
    let files = |parts: &[&[u8]]| parts.join(&SEPARATOR);
    let torn = &lines[..lines.len() - 9];
    let old = |file: &str| {
        let folder = "runner/tests/cli/report.in/results/20261121T100647Z-smoke-qemu-max-3f2a";
        fs::read(root().join(folder).join(file)).unwrap()
    };
    named([
        ("whole", files(&[&header, &lines, &summary])),
        ("killed", files(&[&header, &lines])),
        ("torn", files(&[&header, torn])),
        ("format2", files(&[&old("header.json"), &old("records.jsonl")])),
    ])
}

fn vectors() -> Vec<Seed> {
    let folder = root().join("golden/tests/vectors");
    let lines = |name: &str, count| -> Vec<u8> {
        let file = fs::File::open(folder.join(name)).unwrap();
        let lines = BufReader::new(GzDecoder::new(file)).lines().take(count);
        lines.flat_map(|line| (line.unwrap() + "\n").into_bytes()).collect()
    };
    let mut seeds: Vec<Seed> = ["stage2", "two-stage", "el2", "vhe", "at", "pie"]
        .map(|name| (format!("{name}.jsonl"), lines(&format!("{name}.jsonl.gz"), 1)))
        .into();
    seeds.push(("stage2-legality.csv".to_owned(), lines("stage2-legality.csv.gz", 12)));
    let mut compressed = GzEncoder::new(Vec::new(), Compression::best());
    compressed.write_all(&lines("stage2.jsonl.gz", 2)).unwrap();
    seeds.push(("stage2.jsonl.gz".to_owned(), compressed.finish().unwrap()));
    seeds
}

/// What no suite of the repository shows: a reproducer, and the examples of the manuals.
fn suites() -> Vec<Seed> {
    let origin = Origin {
        hypwalk: "0.1.0".to_owned(),
        run: "20261121T100000Z-smoke-qemu-max-0000".to_owned(),
        suite: "smoke".to_owned(),
        seed: Hex(u64::MAX),
        index: 17,
        generators: 1,
    };
    let reproducer = CaseFile::new(
        origin,
        machine(),
        case(1000),
        vec![runner::record::remark::remark(&finding())],
    );
    let mut seeds = vec![("reproducer.yaml".to_owned(), reproducer.to_string().into_bytes())];
    let mut text = String::new();
    for manual in ["README.md", "suites/README.md"] {
        fs::File::open(root().join(manual)).unwrap().read_to_string(&mut text).unwrap();
    }
    let blocks = text.split("```yaml\n").skip(1).filter_map(|block| block.split("```").next());
    let whole = blocks.filter(|block| super::decoders::suites::decode(block.as_bytes()));
    let example =
        |(n, block): (usize, &str)| (format!("example-{n}.yaml"), block.as_bytes().to_vec());
    seeds.extend(whole.enumerate().map(example));
    seeds
}
