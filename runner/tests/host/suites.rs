//! The suites of the repository can be read, and say what their names promise.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use case::draw::Space;
use case::source::Source;
use judge::known::KnownErrata;
use runner::explain::ExplainFile;
use suite::Suite;
use suite::case_file::CaseFile;
use suite::generator::Generator;

use crate::common::folders::root;
use crate::common::shipped::{self, yaml};

fn suites() -> Vec<Suite> {
    let read = |file: PathBuf| {
        let suite = Suite::read(&file).unwrap();
        assert_eq!(suite.name.as_str(), file.file_stem().unwrap(), "a suite's name is its file's");
        suite
    };
    yaml(&shipped::suites()).into_iter().map(read).collect()
}

fn only(name: &str) -> Generator {
    let suite = suites().into_iter().find(|suite| suite.name.as_str() == name).unwrap();
    let [generator] = &suite.generators[..] else { panic!("{name} has one generator") };
    generator.clone()
}

#[test]
fn every_suite_is_described() {
    let suites = suites();
    assert!(suites.len() >= 5);
    assert!(suites.iter().all(|suite| !suite.description.is_empty()));
}

#[test]
fn the_smoke_suite_has_cases_to_read_and_random_ones() {
    let suites = suites();
    let smoke = suites.iter().find(|suite| suite.name.as_str() == "smoke").unwrap();
    let [
        Generator::Explicit(cases),
        Generator::Drawn { source: Source::Random(_), rounds: Some(300) },
    ] = &smoke.generators[..]
    else {
        panic!("{:?}", smoke.generators)
    };
    assert!(cases.len() >= 5);
}

#[test]
fn the_default_campaign_is_what_the_defaults_say() {
    let Generator::Drawn { source: Source::Random(space), rounds } = only("stage2-random") else {
        panic!()
    };
    assert_eq!(rounds, Some(20_000));
    assert_eq!(space, Space { ds: [500, 500], dc: [330, 670], fwb: [500, 500], ..Space::BENIGN });
}

#[test]
fn hostile_cases_are_all_hostile_and_sizes_all_there() {
    let source = |suite| match only(suite) {
        Generator::Drawn { source, .. } => source,
        Generator::Explicit(_) => panic!("{suite} draws nothing"),
    };
    let Source::Random(space) = source("stage2-hostile") else { panic!() };
    assert_eq!(space.hostile, 1000);
    let Source::Shapes(space) = source("ipa-sizes") else { panic!() };
    assert_eq!((space.ipa_bits, space.granules), (Space::BENIGN.ipa_bits, [1; 3]));
    assert!(matches!(source("stage2-legality"), Source::Legality(_)));
}

/// The YAML blocks of README.md and suites/README.md.
fn examples() -> Vec<String> {
    let read = |file: &str| std::fs::read_to_string(root().join(file)).unwrap();
    let text = read("README.md") + &read("suites/README.md");
    let blocks = text.split("```yaml\n").skip(1);
    blocks.map(|block| block.split("```").next().unwrap().to_owned()).collect()
}

#[test]
fn the_examples_of_the_manual_are_right() {
    let file = Path::new("README.md");
    let mut kinds = BTreeMap::<&str, usize>::new();
    for example in examples() {
        let mut keys = example.lines().filter_map(|line| line.split_once(':')).map(|(key, _)| key);
        let first = keys.find(|key| !key.starts_with([' ', '#'])).unwrap();
        let kind = match first {
            "version" => CaseFile::from_text(&example, file).map(|_| "case"),
            "implementation" => ExplainFile::from_text(&example, file).map(|_| "walk"),
            "errata" => KnownErrata::from_text(&example, file).map(|_| "known errata"),
            "generators" => Suite::from_text(&format!("name: x\n{example}"), file).map(|_| "suite"),
            _ => Suite::from_text(&example, file).map(|_| "suite"),
        };
        *kinds.entry(kind.unwrap()).or_default() += 1;
    }
    assert_eq!(kinds, [("case", 2), ("known errata", 1), ("suite", 3), ("walk", 1)].into());
}
