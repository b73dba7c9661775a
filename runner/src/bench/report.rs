//! What a measurement came to, as a table and as JSON.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use suite::granule::GranuleName;

use crate::record::Host;

/// The machine that was emulated.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Emulated {
    pub target: String,
    pub emulator: Option<String>,
}

/// What a measurement came to.
#[derive(Clone, PartialEq, Debug)]
pub struct Report {
    /// The machine that it ran on.
    pub host: Host,
    /// The machine that was emulated.
    pub emulated: Emulated,
    /// How many emulators ran at a time.
    pub processes: usize,
    /// By granule, smallest first.
    pub granules: [Rates; 3],
    /// In set-ups of EL2's stage 1; `None` where the target has no place to live in them.
    pub hyp: Option<Rates>,
    /// Of guests; `None` where the target has no place for their code.
    pub guest: Option<Guests>,
    /// Walks a second of the reference walker, by levels.
    pub walks: [(u64, f64); 3],
    /// Memory of campaigns, by their length.
    pub memory: Vec<Footprint>,
    /// How often an emulator was restarted in the campaigns: each costs a tenth of a second.
    pub restarts: u64,
}

/// Rates, all a second.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize)]
pub struct Rates {
    /// The target's own.
    pub device_at_per_second: f64,
    /// Probes judged, at 256 a case.
    pub probes_per_second: f64,
    /// Probes judged, at 64 a case.
    pub probes_per_second_64: f64,
    /// Cases recorded, of 64 probes.
    pub cases_per_second: f64,
}

/// What guests came to.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Guests {
    /// With the cases' probes.
    pub rates: Rates,
    /// The target's own rate of going to a guest that does nothing, and coming back.
    pub round_trips_per_second: f64,
}

impl Guests {
    /// The part of the rate of round trips that the target itself reaches with the cases' probes.
    pub fn of_round_trips(&self) -> f64 {
        self.rates.device_at_per_second / self.round_trips_per_second
    }
}

/// The memory that a campaign took, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Footprint {
    /// Its length in cases.
    pub cases: u64,
    /// The runner's most.
    pub runner_bytes: u64,
    /// The emulator's most.
    pub emulator_bytes: u64,
}

#[derive(Serialize)]
struct Ratios {
    #[serde(flatten)]
    rates: Rates,
    efficiency: f64,
    efficiency_64: f64,
}

#[derive(Serialize)]
struct GuestRatios {
    #[serde(flatten)]
    ratios: Ratios,
    round_trips_per_second: f64,
    of_round_trips: f64,
}

#[derive(Serialize)]
struct Line<'a> {
    target: &'a str,
    emulator: Option<&'a str>,
    processor: &'a str,
    processors: usize,
    qemu_processes: usize,
    #[serde(flatten)]
    overall: Ratios,
    granules: BTreeMap<&'static str, Ratios>,
    hyp: Option<Ratios>,
    guest: Option<GuestRatios>,
    golden_walks_per_second: f64,
    golden_walks_by_levels: BTreeMap<u64, f64>,
    peak_memory_bytes: u64,
    memory: &'a [Footprint],
    restarts: u64,
}

impl From<Rates> for Ratios {
    fn from(rates: Rates) -> Self {
        let (efficiency, efficiency_64) = (rates.efficiency(), rates.efficiency_64());
        Self { rates, efficiency, efficiency_64 }
    }
}

impl From<Guests> for GuestRatios {
    fn from(guests: Guests) -> Self {
        Self {
            ratios: guests.rates.into(),
            round_trips_per_second: guests.round_trips_per_second,
            of_round_trips: guests.of_round_trips(),
        }
    }
}

impl Rates {
    /// The part of the target's own rate that is reached with 256 probes a case.
    pub fn efficiency(&self) -> f64 {
        self.probes_per_second / self.device_at_per_second
    }

    /// The part of the target's own rate that is reached with 64 probes a case.
    pub fn efficiency_64(&self) -> f64 {
        self.probes_per_second_64 / self.device_at_per_second
    }
}

impl Report {
    /// The rates of a campaign of which each granule has the same share.
    pub fn overall(&self) -> Rates {
        let over = |rate: fn(&Rates) -> f64| {
            let seconds: f64 = self.granules.iter().map(|granule| 1.0 / rate(granule)).sum();
            self.granules.len() as f64 / seconds
        };
        Rates {
            device_at_per_second: over(|rates| rates.device_at_per_second),
            probes_per_second: over(|rates| rates.probes_per_second),
            probes_per_second_64: over(|rates| rates.probes_per_second_64),
            cases_per_second: over(|rates| rates.cases_per_second),
        }
    }

    /// Everything as one line of JSON. The rates at the top are those of the whole.
    pub fn json_line(&self) -> String {
        let granules = GranuleName::ALL.iter().zip(self.granules);
        let line = Line {
            target: &self.emulated.target,
            emulator: self.emulated.emulator.as_deref(),
            processor: &self.host.processor,
            processors: self.host.processors,
            qemu_processes: self.processes,
            overall: self.overall().into(),
            granules: granules.map(|(granule, rates)| (granule.name(), rates.into())).collect(),
            hyp: self.hyp.map(Ratios::from),
            guest: self.guest.map(GuestRatios::from),
            golden_walks_per_second: self.walks[1].1,
            golden_walks_by_levels: self.walks.into_iter().collect(),
            peak_memory_bytes: self.memory.last().map_or(0, |footprint| footprint.runner_bytes),
            memory: &self.memory,
            restarts: self.restarts,
        };
        serde_json::to_string(&line).unwrap_or_default()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Emulated { target, emulator } = &self.emulated;
        let emulator = emulator.as_deref().unwrap_or("unknown");
        writeln!(f, "{}", self.host)?;
        writeln!(f, "{target}, emulator {emulator}, {} at a time\n", self.processes)?;
        writeln!(
            f,
            "a second        device      256 a case           64 a case        cases of 64"
        )?;
        let granules = GranuleName::ALL.into_iter().map(GranuleName::name).zip(self.granules);
        let with_code = self.hyp.map(|rates| ("EL2", rates)).into_iter();
        let with_code = with_code.chain(self.guest.map(|guest| ("guests", guest.rates)));
        for (name, rates) in granules.chain([("all", self.overall())]).chain(with_code) {
            let device = rates.device_at_per_second;
            let (many, few) = (rates.probes_per_second, rates.probes_per_second_64);
            let (part, part_64) = (rates.efficiency(), rates.efficiency_64());
            let cases = rates.cases_per_second;
            writeln!(
                f,
                "{name:>8} {device:>13.0} {many:>10.0} ({part:.2}) {few:>12.0} ({part_64:.2}) {cases:>13.0}"
            )?;
        }
        writeln!(f)?;
        if let Some(guest) = &self.guest {
            writeln!(
                f,
                "a guest that does nothing: {:.0} round trips a second, of which the device's own rate is {:.2}",
                guest.round_trips_per_second,
                guest.of_round_trips()
            )?;
        }
        for (levels, rate) in self.walks {
            let (nanoseconds, s) = (1e9 / rate, if levels == 1 { "" } else { "s" });
            writeln!(f, "reference walk of {levels} level{s}: {nanoseconds:.0} ns")?;
        }
        for Footprint { cases, runner_bytes, emulator_bytes } in &self.memory {
            let mega = |bytes: &u64| *bytes as f64 / f64::from(1 << 20);
            let (runner, emulator) = (mega(runner_bytes), mega(emulator_bytes));
            writeln!(
                f,
                "memory at {cases} cases: runner {runner:.1} MB, emulator {emulator:.0} MB"
            )?;
        }
        match self.restarts {
            0 => Ok(()),
            restarts => {
                writeln!(f, "\nthe target was restarted {restarts} times: that is in the rates")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn report() -> Report {
        let rates = |device: f64| Rates {
            device_at_per_second: device,
            probes_per_second: device / 2.0,
            probes_per_second_64: device / 4.0,
            cases_per_second: device / 256.0,
        };
        Report {
            host: Host { processor: "a processor".into(), processors: 2 },
            emulated: Emulated { target: "t".into(), emulator: Some("1.2".into()) },
            processes: 1,
            granules: [rates(1e6), rates(2e6), rates(4e6)],
            hyp: Some(rates(8e6)),
            guest: Some(Guests { rates: rates(1e6), round_trips_per_second: 4e6 }),
            walks: [(1, 2e7), (4, 1e7), (5, 8e6)],
            memory: vec![Footprint { cases: 10, runner_bytes: 3 << 20, emulator_bytes: 9 << 20 }],
            restarts: 0,
        }
    }

    #[test]
    fn a_whole_takes_as_long_as_its_parts() {
        // As many probes of each: 1 + 1/2 + 1/4 seconds for 3 million.
        assert_eq!(report().overall().device_at_per_second, 3e6 / 1.75);
    }

    #[test]
    fn the_json_has_what_is_promised() {
        let line: Value = serde_json::from_str(&report().json_line()).expect("it is JSON");
        let number = |key: &str| line[key].as_f64().unwrap_or_else(|| panic!("{key} in {line}"));
        let ratio = number("probes_per_second") / number("device_at_per_second");
        assert!((number("efficiency") - ratio).abs() < 1e-9);
        assert_eq!(number("efficiency_64"), 0.25);
        assert_eq!(number("golden_walks_per_second"), 1e7);
        assert_eq!(number("peak_memory_bytes"), f64::from(3 << 20));
        assert_eq!(number("qemu_processes"), 1.0);
        assert_eq!(line["granules"]["16k"]["cases_per_second"], 2e6 / 256.0);
        assert_eq!(line["golden_walks_by_levels"]["5"], 8e6);
        assert_eq!(
            (&line["hyp"]["probes_per_second"], &line["hyp"]["efficiency"]),
            (&4e6.into(), &0.5.into())
        );
        let guest = &line["guest"];
        assert_eq!(
            (&guest["probes_per_second"], &guest["of_round_trips"]),
            (&5e5.into(), &0.25.into())
        );
    }
}
