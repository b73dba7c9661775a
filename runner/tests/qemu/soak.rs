//! Soak on QEMU: a target that draws, asks and compares by itself comes to what a run comes to; and images that
//! do so without a host.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::common::hypwalk::{Said, hypwalk};
use crate::common::place::Place;
use crate::common::targets;

/// Runs `hypwalk` with its results in `place`.
fn run(place: &Place, arguments: &[&str]) -> Said {
    Said::by(hypwalk().args(arguments).arg("--results").arg(&place.0))
}

/// What a campaign comes to: its last line, and its records.
fn campaign(place: &Place, arguments: &[&str]) -> (Value, Vec<Value>) {
    let Said { code, stdout, stderr } = run(place, &[arguments, &["--quiet", "--json"]].concat());
    assert!(matches!(code, Some(0 | 1)), "{stderr}");
    let line = json(stdout.lines().last().unwrap());
    let records = place.0.join(line["run"].as_str().unwrap()).join("records.jsonl");
    let records = fs::read_to_string(records).unwrap().lines().map(json).collect();
    (line, records)
}

/// It is refused, for a reason of these words.
fn refused(place: &Place, arguments: &[&str], words: &str) {
    let said = run(place, arguments);
    assert!(said.code == Some(2) && said.stderr.contains(words), "{arguments:?}: {}", said.all());
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// How many cases a record is of.
fn cases(record: &Value) -> u64 {
    record.get("cases").map_or(1, |cases| cases.as_u64().unwrap())
}

/// Each case is in one record, in order.
fn assert_whole(records: &[Value], count: u64) {
    let end = records.iter().fold(0, |next, record| {
        assert_eq!(record["index"], next);
        next + cases(record)
    });
    assert_eq!(end, count);
}

/// The signatures of findings, by case.
fn findings_of(records: &[Value]) -> BTreeMap<u64, Vec<String>> {
    let of = |record: &Value| {
        let findings = record.get("findings")?.as_array()?;
        let signature = |finding: &Value| finding["signature"].to_string();
        Some((record["index"].as_u64()?, findings.iter().map(signature).collect()))
    };
    records.iter().filter_map(of).collect()
}

#[test]
fn known_errata_are_told_as_in_a_run_and_all_digests_are_the_same() {
    let place = Place::new("soak-known");
    let of = |command, more: &[&str]| {
        let arguments = [command, "stage2-hostile", "--target", "qemu-max", "--cases", "300"];
        campaign(&place, &[&arguments[..], more].concat())
    };
    let (run, in_full) = of("run", &["-j", "1"]);
    // Every case is asked in full too: a digest that differs would be a finding.
    let (soak, records) = of("soak", &["--check", "1"]);
    assert_eq!(soak["findings"], 0);
    assert_whole(&records, 300);
    let (soak, records) = of("soak", &[]);
    assert_whole(&records, 300);
    assert!(records.len() < in_full.len(), "some cases share a record");
    // What kills is predicted in a run, and told by what is allowed where a target soaks: what is held back there
    // may be known here, and none of it conforms.
    let held = |line: &Value| -> u64 {
        let all = line["not_asked"].as_array().unwrap().iter();
        all.filter(|one| one["reason"]["held_back"].is_string())
            .map(|one| one["count"].as_u64().unwrap())
            .sum()
    };
    let known = |line: &Value| line["verdicts"]["known"].as_u64().unwrap();
    assert_eq!(known(&run) + held(&run), known(&soak) + held(&soak));
    let (run, soak) = (&run["verdicts"], &soak["verdicts"]);
    assert_eq!(run["conforms"], soak["conforms"]);
    assert!(soak["known"].as_u64() > Some(500), "{soak}");
    assert_eq!((&soak["mismatch"], &soak["aborted"]), (&0.into(), &0.into()));
}

#[test]
fn a_mismatch_is_found_as_in_a_run_and_can_be_replayed() {
    let place = Place::new("soak-mismatch");
    let (target, known) = (place.file("target.yaml"), place.file("deadly.yaml"));
    let of = |command| {
        let arguments = [command, "stage2-hostile", "--target", &target, "--cases", "400"];
        campaign(&place, &[&arguments[..], &["--errata", &known]].concat())
    };
    let ((_, in_full), (line, records)) = (of("run"), of("soak"));
    assert_whole(&records, 400);
    let findings = findings_of(&records);
    assert!(findings.values().flatten().count() > 5, "{findings:?}");
    assert_eq!(findings, findings_of(&in_full));
    let first = place.file(&format!("{}/repro/001.yaml", line["run"].as_str().unwrap()));
    let replay = ["replay", &first, "--target", &target, "--errata", &known];
    let said = run(&place, &replay);
    assert_eq!(said.code, Some(1), "{}", said.all());
}

#[test]
fn a_death_is_charged_to_its_probe() {
    let place = Place::new("soak-death");
    let of = |command, more: &[&str]| {
        let arguments = [command, "stage2-random", "--target", "qemu-max", "--cases", "10"];
        campaign(&place, &[&arguments[..], &["--no-errata"], more].concat())
    };
    let ((_, in_full), (line, records)) = (of("run", &["--no-reduce"]), of("soak", &[]));
    assert_whole(&records, 10);
    assert!(line["verdicts"]["aborted"].as_u64() > Some(2), "{line}");
    assert_eq!(findings_of(&records), findings_of(&in_full));
}

#[test]
fn it_soaks_over_a_uart() {
    let place = Place::new("soak-uart");
    let arguments = ["soak", "stage2-random", "--target", "qemu-max-uart", "--first", "5000"];
    let more = ["--cases", "600", "--check", "40"];
    let (line, records) = campaign(&place, &[&arguments[..], &more].concat());
    assert_eq!((&line["cases"], &line["findings"]), (&600.into(), &0.into()));
    assert_eq!(records[0]["index"], 5000);
    // It is no run that could go on, or be merged.
    let run = place.file(line["run"].as_str().unwrap());
    fs::remove_file(Path::new(&run).join("summary.json")).unwrap();
    refused(&place, &["run", "--resume", &run], "is a soak, and does not go on");
    refused(&place, &["merge", &run], "is a soak");
}

#[test]
fn what_it_can_not_judge_is_refused_by_name() {
    let place = Place::new("soak-refused");
    for (suite, name) in [("hyp-smoke", "hyp"), ("guest-smoke", "guest"), ("tlbi", "tlbi")] {
        let words = format!("the generator `{name}` can't be soaked");
        refused(&place, &["soak", suite, "--target", "qemu-max"], &words);
    }
}

/// A machine of which an image can have the UART and all of the memory.
const ALONE: &str = "
name: alone
start:
  qemu:
    machine: virt
    machine-options: { virtualization: 'on', gic-version: '3' }
    cpu: neoverse-n1
    memory: 256M
transport: uart
carve: { count: 2, size: 8M }
void:
  - { address: 0x0b00_0000, size: 1M }
choices:
  txsz_above_max: fault
  contiguous_misprogrammed: ignore
  unsupported_vtcr_tg0_acts_as: 4k
  par_xs: reported
";

/// Runs `image` on that machine with no host at all; returns what it says, and leaves its memory in `dump`.
fn run_alone(image: &str, dump: &str) -> String {
    let memory = format!("memory-backend-file,id=ram,size=256M,mem-path={dump},share=on");
    let machine = "virt,virtualization=on,gic-version=3,memory-backend=ram";
    let arguments = ["-nodefaults", "-display", "none", "-no-reboot", "-serial", "stdio"];
    let mut qemu = Command::new(targets::program());
    qemu.args(arguments).args(["-object", &memory, "-M", machine, "-cpu", "neoverse-n1"]);
    qemu.args(["-m", "256M", "-kernel", image]).stdin(Stdio::null());
    let Said { code, stdout, stderr } = Said::by(&mut qemu);
    assert_eq!(code, Some(0), "{stderr}");
    stdout
}

#[test]
fn an_image_runs_without_a_host_and_its_log_is_judged() {
    let place = Place::new("soak-image");
    let [target, image, dump] = ["alone.yaml", "Image", "dump"].map(|name| place.file(name));
    fs::write(&target, ALONE).unwrap();
    let subject = ["stage2-random", "--target", &target, "--cases", "500"];
    let write = ["image", "-o", &image, "--report", "both"];
    let said = run(&place, &[&write[..], &subject].concat());
    assert_eq!(said.code, Some(0), "{}", said.all());
    let said = run_alone(&image, &dump);
    // The marks of its start come first, as comments.
    assert!(said.contains("\r\nTAP version 13\r\n1..64\r\nok 1 - cases 0 to 6: "), "{said}");
    assert!(said.contains("\r\nnot ok "), "{said}");
    let signal = "<LAVA_SIGNAL_TESTCASE TEST_CASE_ID=cases-0-to-6 RESULT=pass>\r\n";
    assert!(said.contains(signal), "{said}");
    assert_eq!(said.matches("LAVA_SIGNAL_TESTCASE").count(), 64);
    let last = said.lines().last().unwrap();
    assert!(last.starts_with("# hypwalk: fail: 500 cases, "), "{last}");

    // The host says that the suspects are known.
    let read = [&["image", "--read", &dump][..], &subject].concat();
    let Said { code, stdout, stderr } = run(&place, &read);
    assert_eq!(code, Some(0), "{stdout}{stderr}");
    assert!(stdout.contains("500 cases, "), "{stdout}");
    assert!(stdout.contains("AT-sets-dirty-state"), "{stdout}");
    // What it says of itself is what the host counts.
    let said: String = last.split_whitespace().skip(3).take(4).collect();
    assert!(stdout.replace(' ', "").contains(&said[..said.len() - 1]), "{stdout} {said}");

    // It is told where the log is of something else, or is none.
    let said = run(&place, &[&read[..], &["--seed", "9"]].concat());
    assert_eq!(said.code, Some(0), "the seed is the image's: {}", said.all());
    let other = ["image", "--read", &dump, "stage2-hostile", "--target", &target];
    refused(&place, &other, "its log is not of these cases");
    let none = ["image", "--read", &image, "stage2-random", "--target", &target];
    refused(&place, &none, "there is no log in it");
}

#[test]
fn an_image_without_an_end_is_refused() {
    let place = Place::new("soak-endless");
    let [target, image, suite] = ["alone.yaml", "Image", "s.yaml"].map(|name| place.file(name));
    fs::write(&target, ALONE).unwrap();
    fs::write(&suite, "name: s\nseed: 1\nseconds: 9\ngenerators: [random: {}]\n").unwrap();
    let image = |suite| ["image", suite, "--target", &target, "-o", &image];
    refused(&place, &image(&suite), "say how many --cases");
    refused(&place, &image("hyp-smoke"), "`hyp` can't be soaked");
}
