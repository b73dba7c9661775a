//! `hypwalk bench` on a real QEMU: what it says hangs together. How fast anything is, no test can ask.

use serde_json::Value;

use crate::common::folders;
use crate::common::hypwalk::{Said, hypwalk};

#[test]
fn a_quick_bench_tells_rates_ratios_and_memory() {
    let folder = folders::empty("bench");
    let mut command = hypwalk();
    command.args(["bench", "--target", "qemu-max", "--quick", "--cases", "24", "--json"]);
    command.args(["--jobs", "2"]);
    let Said { code, stdout, stderr } = Said::by(command.env("TMPDIR", &folder));
    assert_eq!(code, Some(0), "{stderr}");
    let line: Value = serde_json::from_str(&stdout).unwrap();
    let number = |value: &Value, key: &str| {
        let number = value[key].as_f64().unwrap_or_else(|| panic!("{key} in {value}"));
        assert!(number > 0.0, "{key} in {value}");
        number
    };

    assert_eq!(number(&line, "qemu_processes"), 2.0);
    // Now and then a campaign of guests asks a sample of what kills the emulator.
    assert!(line["restarts"].as_u64().is_some_and(|restarts| restarts <= 4), "{line}");
    let granules = ["4k", "16k", "64k"].map(|name| &line["granules"][name]);
    for rates in granules.into_iter().chain([&line]) {
        let device = number(rates, "device_at_per_second");
        // No emulator asks and stores in 10 ns: rounds that were counted and not asked would show.
        assert!(device < 2e8, "{rates}");
        for (part, of_probes) in
            [("efficiency", "probes_per_second"), ("efficiency_64", "probes_per_second_64")]
        {
            let ratio = number(rates, of_probes) / device;
            assert!((number(rates, part) - ratio).abs() < 1e-9, "{part} in {rates}");
        }
        // All 64 probes of nearly every case are asked: few walks leave the case's memory.
        let probes_a_case =
            number(rates, "probes_per_second_64") / number(rates, "cases_per_second");
        assert!((60.0..=64.1).contains(&probes_a_case), "{rates}");
    }
    let hyp = &line["hyp"];
    for (part, of_probes) in
        [("efficiency", "probes_per_second"), ("efficiency_64", "probes_per_second_64")]
    {
        let ratio = number(hyp, of_probes) / number(hyp, "device_at_per_second");
        assert!((number(hyp, part) - ratio).abs() < 1e-9, "{part} in {hyp}");
    }
    let guest = &line["guest"];
    let part = number(guest, "device_at_per_second") / number(guest, "round_trips_per_second");
    assert!((number(guest, "of_round_trips") - part).abs() < 1e-9, "{guest}");
    assert!(number(guest, "probes_per_second") > 0.0, "{guest}");
    let walks = &line["golden_walks_by_levels"];
    assert_eq!(number(walks, "4"), number(&line, "golden_walks_per_second"));
    assert!(number(walks, "1") > 0.0 && number(walks, "5") > 0.0);
    let memory = line["memory"].as_array().unwrap();
    assert_eq!(memory.len(), 3);
    for footprint in memory {
        // An emulator with an executor in it has more than a few MB, and so has the runner.
        assert!(number(footprint, "runner_bytes") > 3e6, "{footprint}");
        assert!(number(footprint, "emulator_bytes") > 2e7, "{footprint}");
    }
    assert_eq!(memory[2]["runner_bytes"], line["peak_memory_bytes"]);
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), 0, "nothing is left behind");
}
