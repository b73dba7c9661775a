//! Runs that are killed, interrupted, or out of room, and go on: on real QEMUs, as a user does it.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::common::executor::EXECUTOR;
use crate::common::hypwalk::{Said, hypwalk};
use crate::common::place::{Place, run_in};

/// Kills that a run is put through, spread over as many runs as it takes.
const KILLS: usize = 10;

/// Cases that ask much of the disk and never kill: no emulator is started while the disk is full.
const TAME: &str = "
name: tame
generators: [{ legality: {} }, { legality: {} }, { legality: {} }, { legality: {} }, { legality: {} },
             { legality: {} }, { legality: {} }, { legality: {} }, { legality: {} }, { legality: {} }]
";

/// The command that begins a run of `suite`, with its results in `results`.
fn begin(place: &Place, suite: &str, cases: &str, results: &str) -> Command {
    let mut command = hypwalk();
    let [known, target] = ["deadly.yaml", "target.yaml"].map(|name| place.file(name));
    command
        .args(["run", suite, "--target", &target, "--cases", cases, "-j", "2"])
        .args(["--errata", &known, "--quiet", "--no-reduce", "--results", &place.file(results)])
        .arg("--payload")
        .arg(EXECUTOR.file())
        // By this its emulators are found.
        .env("HYPWALK_TEST", &place.0);
    command
}

/// The command that goes on with the one run in `results`.
fn go_on(place: &Place, results: &str) -> Command {
    let mut command = hypwalk();
    command
        .args(["run", "--quiet", "--no-reduce", "-j", "2", "--resume"])
        .arg(place.run_in(results));
    command.arg("--payload").arg(EXECUTOR.file()).env("HYPWALK_TEST", &place.0);
    command
}

/// Whether a process of this test is alive, besides those that have ended and were not asked yet.
fn is_alive(place: &Place) -> bool {
    let mark = format!("HYPWALK_TEST={}", place.0.display());
    let processes = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    processes.map(|entry| entry.path()).any(|process| {
        let environment = fs::read(process.join("environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|entry| entry == mark.as_bytes())
    })
}

fn wait_until_nobody_is_left(place: &Place) {
    let begun = Instant::now();
    while is_alive(place) {
        assert!(begun.elapsed() < Duration::from_secs(60), "an emulator outlives its runner");
        sleep(Duration::from_millis(5));
    }
}

/// Records and reproducers, and what does not depend on time of the summary.
fn result(run: &Path) -> (String, Vec<(String, String)>, Value) {
    let records = fs::read_to_string(run.join("records.jsonl")).unwrap();
    let mut reproducers: Vec<(String, String)> = fs::read_dir(run.join("repro"))
        .map(|files| files.map(|file| file.unwrap().path()).collect::<Vec<_>>())
        .unwrap_or_default()
        .iter()
        .map(|file| {
            let text = fs::read_to_string(file).unwrap();
            // The run's own name.
            let text = text.replace(run.file_name().unwrap().to_str().unwrap(), "RUN");
            (file.file_name().unwrap().to_str().unwrap().to_owned(), text)
        })
        .collect();
    reproducers.sort();
    let summary = fs::read_to_string(run.join("summary.json")).unwrap();
    let mut summary: Value = serde_json::from_str(&summary).unwrap();
    for key in ["run", "ending"] {
        summary.as_object_mut().unwrap().remove(key).unwrap();
    }
    (records, reproducers, summary)
}

fn hold_against_unbroken(place: &Place, results: &str, unbroken: &str) {
    let (broken, whole) = (result(&place.run_in(results)), result(&place.run_in(unbroken)));
    assert!(broken.0 == whole.0, "the records differ: see {}", place.0.display());
    assert_eq!(broken.1, whole.1);
    assert_eq!(broken.2, whole.2);
}

/// A number below `end`.
fn below(state: &mut u64, end: u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) % end
}

#[test]
fn a_run_that_is_killed_anywhere_goes_on_as_if_nothing_had_been() {
    const CASES: &str = "2000";
    let place = Place::new("resume-kill");
    let status = begin(&place, "stage2-hostile", CASES, "unbroken").status().unwrap();
    assert_eq!(status.code(), Some(1));
    let (records, reproducers, _) = result(&place.run_in("unbroken"));
    assert!(records.contains("\"settled\""), "the target makes choices");
    assert!(reproducers.len() >= 3, "it has findings: {}", reproducers.len());

    let mut state = 0x5eed;
    let (mut kills, mut midway) = (0, 0);
    while kills < KILLS {
        let _ = fs::remove_dir_all(place.0.join("broken"));
        let mut child = begin(&place, "stage2-hostile", CASES, "broken").spawn().unwrap();
        loop {
            // Every other one is let live until it has recorded something.
            let had = records_of(&place, "broken");
            let progress = || kills % 2 == 0 || records_of(&place, "broken") > had;
            let status = match ends_before(&mut child, progress) {
                None => ends_within(&mut child, below(&mut state, 300)),
                ended => ended,
            };
            if let Some(status) = status {
                assert_eq!(status.code(), Some(1), "it ends as the unbroken one");
                break;
            }
            child.kill().unwrap();
            child.wait().unwrap();
            wait_until_nobody_is_left(&place);
            kills += 1;
            midway += usize::from(records_of(&place, "broken") > 0);
            child = if run_in(&place.0.join("broken")).is_some_and(|run| has_header(&run)) {
                go_on(&place, "broken").spawn().unwrap()
            } else {
                // It had not begun.
                let _ = fs::remove_dir_all(place.0.join("broken"));
                begin(&place, "stage2-hostile", CASES, "broken").spawn().unwrap()
            };
        }
        hold_against_unbroken(&place, "broken", "unbroken");
    }
    assert!(midway >= KILLS / 4, "{midway} of {kills} kills came between records");
}

fn has_header(run: &Path) -> bool {
    run.join("header.json").exists()
}

/// Bytes that are recorded.
fn records_of(place: &Place, results: &str) -> u64 {
    let records = run_in(&place.0.join(results)).map(|run| fs::metadata(run.join("records.jsonl")));
    records.and_then(Result::ok).map_or(0, |records| records.len())
}

/// How `child` ended before `event` came.
fn ends_before(child: &mut Child, event: impl Fn() -> bool) -> Option<ExitStatus> {
    let begun = Instant::now();
    while !event() {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "nothing is recorded");
        sleep(Duration::from_millis(1));
    }
    None
}

fn ends_within(child: &mut Child, milliseconds: u64) -> Option<ExitStatus> {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(milliseconds) {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        sleep(Duration::from_millis(1));
    }
    None
}

/// Waits until so many bytes are recorded; returns how many are.
fn wait_for_records(place: &Place, results: &str, bytes: u64) -> u64 {
    let begun = Instant::now();
    loop {
        let length = records_of(place, results);
        if length >= bytes {
            return length;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "no records come");
        sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_signal_ends_a_run_cleanly_and_says_how_to_go_on() {
    // Many more than the first that are recorded.
    const CASES: &str = "4000";
    let place = Place::new("resume-signal");
    assert_eq!(begin(&place, "smoke", CASES, "unbroken").status().unwrap().code(), Some(1));
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let _ = fs::remove_dir_all(place.0.join("broken"));
        let mut command = begin(&place, "smoke", CASES, "broken");
        let child = command.stderr(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        wait_for_records(&place, "broken", 1000);
        kill_process(Pid::from_child(&child), signal).unwrap();
        let Output { status, stderr, .. } = child.wait_with_output().unwrap();
        let said = String::from_utf8(stderr).unwrap();
        assert_eq!(status.code(), Some(130), "{said}");
        let run = place.run_in("broken");
        let remedy = format!("hypwalk run --resume {}", run.display());
        assert!(said.contains(&remedy), "{said}");
        assert!(!is_alive(&place), "its emulators are gone before it is");
        assert!(fs::read_to_string(run.join("records.jsonl")).unwrap().ends_with('\n'));
        assert!(!run.join("summary.json").exists());

        assert_eq!(go_on(&place, "broken").status().unwrap().code(), Some(1));
        hold_against_unbroken(&place, "broken", "unbroken");
    }
}

/// The limit of a file's size plays the part of the disk: it can be had without being root.
#[test]
fn a_run_without_room_says_so_and_goes_on_once_there_is_some() {
    // Their records take many times what there is room for.
    const CASES: &str = "2000";
    let place = Place::new("resume-room");
    let suite = place.file("tame.yaml");
    fs::write(&suite, TAME).unwrap();
    assert_eq!(begin(&place, &suite, CASES, "unbroken").status().unwrap().code(), Some(0));

    // The signal that comes with the limit is ignored, so that the error is seen: as on a full disk.
    let begin = begin(&place, &suite, CASES, "broken");
    let mut shell = Command::new("sh");
    shell.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]).arg(begin.get_program());
    shell.args(begin.get_args()).env("HYPWALK_TEST", &place.0);
    let child = shell.stderr(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let length = wait_for_records(&place, "broken", 10_000);
    let limit = format!("--fsize={}", length + 20_011);
    let limited = Command::new("prlimit").args(["--pid", &child.id().to_string(), &limit]).status();
    assert!(limited.unwrap().success());
    let Output { status, stderr, .. } = child.wait_with_output().unwrap();
    let said = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(4), "{said}");
    assert!(said.contains("records.jsonl can't be written"), "{said}");
    assert!(said.contains(&format!("--resume {}", place.run_in("broken").display())), "{said}");
    assert!(!is_alive(&place));

    assert_eq!(go_on(&place, "broken").status().unwrap().code(), Some(0));
    hold_against_unbroken(&place, "broken", "unbroken");
}

fn refused(command: &mut Command, code: i32, words: &[&str]) {
    let said = Said::by(command);
    assert_eq!(said.code, Some(code), "{}", said.all());
    for word in words {
        assert!(said.stderr.contains(word), "{word} is not in: {}", said.all());
    }
}

#[test]
fn a_run_that_can_not_go_on_is_refused_with_a_remedy() {
    let place = Place::new("resume-refused");
    assert_eq!(begin(&place, "smoke", "40", "results").status().unwrap().code(), Some(1));
    let run = place.run_in("results");
    // It ended with findings.
    refused(&mut go_on(&place, "results"), 1, &["nothing of it is left"]);

    fs::remove_file(run.join("summary.json")).unwrap();
    let header = fs::read_to_string(run.join("header.json")).unwrap();
    let records = fs::read_to_string(run.join("records.jsonl")).unwrap();
    let write = |file: &str, text: &str| fs::write(run.join(file), text).unwrap();
    let changed = |from: &str, to: &str| {
        let changed = header.replacen(from, to, 1);
        assert_ne!(changed, header, "{from}");
        write("header.json", &changed);
    };

    let emulator = serde_json::from_str::<Value>(&header).unwrap()["machine"]["emulator"].clone();
    changed(emulator.as_str().unwrap(), "1.2.3");
    refused(&mut go_on(&place, "results"), 3, &["its emulator differs", "run it anew"]);
    changed("\"generators\": ", "\"generators\": 7");
    refused(&mut go_on(&place, "results"), 2, &["generators", "run it anew"]);
    changed("\"format\": 3", "\"format\": 1");
    refused(&mut go_on(&place, "results"), 4, &["format version 1"]);
    write("header.json", &header);

    let lines: Vec<&str> = records.split_inclusive('\n').collect();
    write("records.jsonl", &[&lines[..3], &lines[4..]].concat().concat());
    refused(&mut go_on(&place, "results"), 4, &["records.jsonl:4: here is case 4, and case 3"]);
    write("records.jsonl", &[&lines[..3], &["{}\n"], &lines[4..]].concat().concat());
    refused(&mut go_on(&place, "results"), 4, &["records.jsonl:4: this is no record"]);
    write("records.jsonl", &records);

    let open = || File::options().append(true).open(run.join("records.jsonl")).unwrap();
    let lock = open();
    lock.try_lock().unwrap();
    refused(&mut go_on(&place, "results"), 4, &["being written by another process"]);
    drop(lock);
    // A process that another test starts holds it too until it comes to its program.
    open().lock().unwrap();
    assert_eq!(go_on(&place, "results").status().unwrap().code(), Some(1));
    assert_eq!(fs::read_to_string(run.join("records.jsonl")).unwrap(), records);

    let missing = ["run", "--resume", "no-such-run"];
    refused(hypwalk().args(missing), 4, &["header.json can't be read"]);
    let both = ["run", "smoke", "--resume", "a"];
    refused(hypwalk().args(both), 2, &["cannot be used with"]);
}
