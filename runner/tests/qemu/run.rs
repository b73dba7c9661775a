//! The whole way, as a user goes it: a run on QEMU, its report, a case of it again.

use std::path::PathBuf;

use serde_json::Value;

use crate::common::folders;
use crate::common::hypwalk::{Said, hypwalk};

struct Results(PathBuf);

impl Results {
    fn new(test: &str) -> Self {
        Self(folders::empty(&format!("run-{test}")))
    }

    fn hypwalk(&self, arguments: &[&str]) -> Said {
        Said::by(hypwalk().args(arguments).arg("--results").arg(&self.0))
    }
}

fn json(stdout: &str) -> Value {
    serde_json::from_str(stdout.lines().last().unwrap()).unwrap()
}

#[test]
fn a_run_is_recorded_reported_and_replayed() {
    let results = Results::new("whole");
    let Said { code, stdout, stderr } =
        results.hypwalk(&["run", "smoke", "--target", "qemu-max", "--json"]);
    assert!(matches!(code, Some(0 | 1)), "{stderr}");
    let line = json(&stdout);
    let keys: Vec<&String> = line.as_object().unwrap().keys().collect();
    let wanted = [
        "cases",
        "did_not_show",
        "findings",
        "known",
        "not_asked",
        "probes",
        "run",
        "seconds",
        "seed",
        "suite",
        "target",
        "verdicts",
    ];
    assert_eq!(keys, wanted);
    assert_eq!(line["cases"], 306);
    assert_eq!(
        (line["suite"].as_str(), line["target"].as_str()),
        (Some("smoke"), Some("qemu-max"))
    );
    assert_eq!(line["findings"] == 0, code == Some(0));
    let counts = line["verdicts"].as_object().unwrap().values();
    let judged: u64 = counts.map(|count| count.as_u64().unwrap()).sum();
    assert!(judged > 10_000, "{line}");

    let run = line["run"].as_str().unwrap();
    let again = results.hypwalk(&["report", run, "--json"]);
    assert_eq!((again.code, json(&again.stdout)), (code, line.clone()));

    // What conformed conforms again, drawn anew from the header of the run.
    let said = results.hypwalk(&["replay", &format!("{run}:0")]);
    assert_eq!(said.code, Some(0), "{}", said.all());
    assert!(said.stdout.contains("stage 2 level 3: ["), "{}", said.stdout);
}

/// What is allowed in them is told on the host.
#[test]
fn cases_of_public_reports_conform() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reported");
    for (name, drawn) in [
        ("contiguous-hole", "contiguous_group is other_entry_1"),
        ("ttl-reserved", "| UXN | PXN "),
        ("nxs", "stale_descriptor is old"),
        ("nv1", "| PXN | RES0 "),
    ] {
        let file = folder.join(format!("{name}.yaml"));
        let file = file.to_str().unwrap();
        let said = Said::by(hypwalk().args(["replay", file, "--target", "qemu-max"]));
        assert_eq!(said.code, Some(0), "{name}: {}", said.all());
        assert!(said.stdout.contains(drawn), "{name}: {}", said.stdout);
        assert!(!said.stdout.contains("unsupported"), "{name}: {}", said.stdout);
    }
}

/// What is asked of neither of them is told with its reason, and is no success; nor is a case that is wrong.
#[test]
fn a_case_of_which_nothing_is_judged_is_no_success() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reported");
    for (name, target, code, told) in [
        ("tlbi-by-guest", "qemu-max-smp", 5, "a step is done by EL2, and not by a guest"),
        ("tlbi-by-guest", "qemu-max", 5, "it takes more PEs than the target has"),
        ("tlbi-under-tge", "qemu-max", 5, "no step is done where the executor switches"),
        ("xnx", "qemu-cortex-a53", 5, "the case can't be built here"),
        ("no-guest-flag", "qemu-max-smp", 5, "the case lacks the flag `guest`"),
        ("start-level-pamax", "qemu-cortex-a53", 6, "verdict:  unmet"),
    ] {
        let file = folder.join(format!("{name}.yaml"));
        let file = file.to_str().unwrap();
        let said = Said::by(hypwalk().args(["replay", file, "--target", target]));
        assert_eq!(said.code, Some(code), "{name} on {target}: {}", said.all());
        assert!(said.stdout.contains(told), "{name} on {target}: {}", said.stdout);
        let is_nothing = said.stdout.contains("no probe was judged");
        let is_observed = said.stdout.contains("observed:");
        assert_eq!((is_nothing, is_observed), (code == 5, code != 5), "{name}: {}", said.stdout);
    }
}

#[test]
fn a_run_in_which_nothing_is_judged_is_no_success_and_skipped_in_reports() {
    let results = Results::new("nothing");
    let suite = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/reported/tlbi-by-guest-suite.yaml");
    let said = results.hypwalk(&["run", suite, "--target", "qemu-max-smp", "--json"]);
    assert_eq!(said.code, Some(5), "{}", said.all());
    for told in ["no probe was judged", "a step is done by EL2, and not by a guest"] {
        assert!(said.stdout.contains(told), "{}", said.stdout);
    }
    let line = json(&said.stdout);
    assert_eq!(
        line["not_asked"],
        serde_json::json!([{"reason": {"lack": "guest_step"}, "count": 4}])
    );
    let run = line["run"].as_str().unwrap();
    for (format, wanted) in
        [("junit", "<skipped "), ("tap", "# SKIP not asked: a step is done by EL2")]
    {
        let said = results.hypwalk(&["report", run, "--format", format]);
        assert_eq!(said.code, Some(5), "{}", said.all());
        assert!(said.stdout.contains(wanted), "{}", said.stdout);
    }
}

#[test]
fn the_same_seed_gives_the_same_answers() {
    let results = Results::new("same");
    let digests = || {
        let arguments =
            ["run", "stage2-random", "--target", "qemu-max", "--cases", "40", "--probes", "8"];
        let Said { code, stdout, stderr } =
            results.hypwalk(&[&arguments[..], &["--json", "--quiet"]].concat());
        assert!(matches!(code, Some(0 | 1)), "{stderr}");
        let line = json(&stdout);
        assert_eq!(line["cases"], 40);
        let records = results.0.join(line["run"].as_str().unwrap()).join("records.jsonl");
        let records = std::fs::read_to_string(records).unwrap();
        let record = |line: &str| serde_json::from_str::<Value>(line).unwrap();
        let mut digests: Vec<(u64, u64)> = records
            .lines()
            .map(record)
            // Which probe of a kind kills the machine first is a matter of what was in flight.
            .filter(|record| record["probes"] == 8)
            .map(|record| (record["index"].as_u64().unwrap(), record["digest"].as_u64().unwrap()))
            .collect();
        digests.sort_unstable();
        digests
    };
    let (one, other) = (digests(), digests());
    let common = one.iter().filter(|digest| other.contains(digest)).count();
    assert!(common >= 20 && common == one.len().min(other.len()), "{one:?}\n{other:?}");
}
