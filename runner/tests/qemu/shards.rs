//! Shards of a campaign on real QEMUs, and the run that they are merged into.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::common::executor::EXECUTOR;
use crate::common::hypwalk::{Said, hypwalk};
use crate::common::place::Place;

/// More than two rounds of blocks for each shard, and a last block that is not full.
const CASES: &str = "300";

/// Runs a campaign, or a part of it, and returns its folder.
fn run(place: &Place, results: &str, options: &[&str]) -> String {
    let [known, target] = ["deadly.yaml", "target.yaml"].map(|name| place.file(name));
    let mut command = hypwalk();
    command.args(["run", "stage2-hostile", "--target", &target, "--errata", &known]);
    command
        .args(["--quiet", "--no-reduce", "-j", "1"])
        .args(options)
        .arg("--payload")
        .arg(EXECUTOR.file());
    let said = Said::by(command.args(["--results", &place.file(results)]));
    assert!(matches!(said.code, Some(0 | 1)), "{}", said.all());
    folder(place, results)
}

/// The folder of the one run in `results`.
fn folder(place: &Place, results: &str) -> String {
    place.run_in(results).to_str().unwrap().to_owned()
}

fn merge(place: &Place, runs: &[&str]) -> Said {
    let mut command = hypwalk();
    command.args(["merge", "--quiet"]).args(runs);
    Said::by(command.args(["--results", &place.file("merged")]))
}

fn read(run: &str, file: &str) -> String {
    fs::read_to_string(Path::new(run).join(file)).unwrap()
}

/// A file of a run, without what is the run's own.
fn content(run: &str, file: &str) -> Value {
    let mut content: Value = serde_json::from_str(&read(run, file)).unwrap();
    for key in ["run", "started", "ending"] {
        content.as_object_mut().unwrap().remove(key);
    }
    content
}

#[test]
fn shards_that_are_merged_equal_the_whole() {
    let place = Place::new("shards-equal");
    let whole = run(&place, "whole", &["--cases", CASES]);
    let shards: Vec<String> = ["1/3", "2/3", "3/3"]
        .into_iter()
        .map(|shard| run(&place, &shard.replace('/', "-"), &["--cases", CASES, "--shard", shard]))
        .collect();
    let counts: Vec<usize> =
        shards.iter().map(|run| read(run, "records.jsonl").lines().count()).collect();
    assert_eq!(counts, [108, 96, 96]);

    // In any order.
    let said = merge(&place, &[&shards[2], &shards[0], &shards[1]]);
    assert_eq!(said.code, Some(1), "{}", said.all());
    let merged = folder(&place, "merged");
    assert!(read(&whole, "records.jsonl").contains("\"settled\""), "the target makes choices");
    assert!(read(&merged, "records.jsonl") == read(&whole, "records.jsonl"));
    for file in ["header.json", "summary.json"] {
        assert_eq!(content(&merged, file), content(&whole, file), "{file}");
    }
    let reproducers = |run: &str| {
        let name = Path::new(run).file_name().unwrap().to_str().unwrap();
        let files = fs::read_dir(Path::new(run).join("repro")).unwrap();
        let file = |file: fs::DirEntry| {
            (file.file_name(), fs::read_to_string(file.path()).unwrap().replace(name, "RUN"))
        };
        let mut files: Vec<_> = files.map(|entry| file(entry.unwrap())).collect();
        files.sort();
        files
    };
    assert!(!reproducers(&whole).is_empty());
    assert_eq!(reproducers(&merged), reproducers(&whole));
}

#[test]
fn what_does_not_belong_together_is_refused() {
    let place = Place::new("shards-refused");
    let one = run(&place, "one", &["--cases", "64", "--shard", "1/2"]);
    let two = run(&place, "two", &["--cases", "64", "--shard", "2/2"]);
    let seed = run(&place, "seed", &["--cases", "64", "--shard", "2/2", "--seed", "9"]);
    let of_four = run(&place, "of-four", &["--cases", "64", "--shard", "2/4"]);
    let longer = run(&place, "longer", &["--cases", "90", "--shard", "2/2"]);
    let refused = |runs: &[&str], code: i32, words: &[&str]| {
        let said = merge(&place, runs);
        assert_eq!(said.code, Some(code), "{}", said.all());
        for word in words {
            assert!(said.all().contains(word), "{word} is not in: {}", said.all());
        }
        let merged = fs::read_dir(place.0.join("merged"));
        assert!(merged.map_or(0, Iterator::count) == 0, "nothing is left of it");
    };
    refused(&[&one, &seed], 2, &["the seed differs", "shards of one campaign"]);
    refused(&[&one, &of_four], 2, &["how many shards there are differs"]);
    refused(&[&one, &longer], 2, &["what the command line changes of the suite differs"]);
    refused(&[&one], 2, &["these shards are missing: 2/2", "--shard"]);
    refused(&[&one, &two, &one], 2, &["are both shard 1/2"]);
    refused(&[&one, "no-such-run"], 4, &["header.json can't be read"]);

    let records = read(&two, "records.jsonl");
    let path = Path::new(&two).join("records.jsonl");
    let lines: Vec<&str> = records.split_inclusive('\n').collect();
    fs::write(&path, [&lines[..5], &lines[6..]].concat().concat()).unwrap();
    refused(&[&one, &two], 4, &["has case 22 where case 21 should be"]);
    fs::write(&path, lines[..5].concat()).unwrap();
    refused(&[&one, &two], 4, &["has case none where case 21 should be"]);
    fs::write(&path, &records).unwrap();
    fs::remove_file(Path::new(&two).join("summary.json")).unwrap();
    refused(&[&one, &two], 2, &["has not come to its end", "--resume"]);
}
