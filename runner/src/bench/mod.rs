//! How fast all this is, and what the target itself would allow.
//!
//! ```text
//!   device      the target's own rate: cases asked many times over on their resident tables
//!   campaign    `hypwalk run` of the same suite, as a process of its own, with its records
//!   reference   walks of the reference walker
//!
//!   for each subject, several times over:   device  ->  campaign, 64 probes  ->  campaign, 256 probes
//! ```
//!
//! A subject is stage 2 in one granule, EL2's own stage 1, in whose set-ups the executor lives, or guests under
//! two stages. Of these the device is measured once more with nothing to do but to go to a guest and come back:
//! what an exception costs there.
//!
//! Device and campaigns take turns, so that what else the machine does meets both alike, and the median of
//! each counts. As many emulators run for the one as for the other.

mod campaign;
mod device;
mod reference;
mod report;

use std::num::NonZeroUsize;
use std::path::PathBuf;

pub use campaign::{Bill, Runs};
pub use device::{Asked, Device};
pub use report::{Emulated, Footprint, Guests, Rates, Report};

use suite::granule::GranuleName;

use crate::failure::Failure;
use crate::record::Host;

/// Probes a case, few and many.
const FEW: u64 = 64;
const MANY: u64 = 256;

/// What is to be measured, and for how long.
#[derive(Debug)]
pub struct Plan {
    /// How many emulators run at a time.
    pub processes: NonZeroUsize,
    /// How often each figure is taken.
    pub rounds: usize,
    /// Seconds of a campaign.
    pub campaign_seconds: u64,
    /// Seconds for which the device alone is asked.
    pub device_seconds: f64,
    /// The lengths of campaigns whose memory is measured, in cases; the longest last.
    pub memory_cases: Vec<u64>,
    /// A campaign ends after so many cases, however short it was. More than there is time for, unless who asks wants
    /// no figures to rely on.
    pub most_cases: u64,
}

impl Plan {
    /// A good minute.
    pub fn full(processes: NonZeroUsize) -> Self {
        Self {
            processes,
            rounds: 3,
            campaign_seconds: 2,
            device_seconds: 1.5,
            memory_cases: vec![1_000, 10_000, 100_000],
            most_cases: 1_000_000_000,
        }
    }

    /// A quarter of a minute: figures to look at, not to compare.
    pub fn quick(processes: NonZeroUsize) -> Self {
        Self {
            rounds: 1,
            campaign_seconds: 1,
            device_seconds: 0.4,
            memory_cases: vec![100, 300, 1_000],
            ..Self::full(processes)
        }
    }

    /// The same with campaigns of no more than `cases`.
    pub fn shortened(mut self, cases: u64) -> Self {
        self.most_cases = cases;
        self.memory_cases.iter_mut().for_each(|length| *length = cases.min(*length));
        self
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Subject {
    /// Stage 2 in one granule.
    Stage2(GranuleName),
    /// EL2's own stage 1.
    Hyp,
    /// Guests at EL1 and EL0 under two stages.
    Guest,
}

impl Subject {
    /// All of stage 2, smallest granule first.
    pub const STAGE2: [Self; 3] = [
        Self::Stage2(GranuleName::ALL[0]),
        Self::Stage2(GranuleName::ALL[1]),
        Self::Stage2(GranuleName::ALL[2]),
    ];

    /// The only granule that is drawn.
    pub const fn granule(self) -> Option<GranuleName> {
        match self {
            Self::Stage2(granule) => Some(granule),
            Self::Hyp | Self::Guest => None,
        }
    }
}

/// Something of each kind of subject.
#[derive(Clone, Debug)]
pub struct PerSubject<T> {
    /// Of stage 2, in whatever granule.
    pub stage2: T,
    /// Of EL2's own stage 1.
    pub hyp: T,
    pub guest: T,
}

impl<T> PerSubject<T> {
    /// That of `subject`.
    pub const fn of(&self, subject: Subject) -> &T {
        match subject {
            Subject::Stage2(_) => &self.stage2,
            Subject::Hyp => &self.hyp,
            Subject::Guest => &self.guest,
        }
    }
}

/// What was measured of one subject, a value a round.
#[derive(Debug, Default)]
struct Samples {
    device: Vec<f64>,
    few: Vec<f64>,
    many: Vec<f64>,
    cases: Vec<f64>,
}

impl Samples {
    fn rates(self) -> Rates {
        Rates {
            device_at_per_second: median(self.device),
            probes_per_second: median(self.many),
            probes_per_second_64: median(self.few),
            cases_per_second: median(self.cases),
        }
    }
}

/// Measures `device` and `runs` as `plan` says.
///
/// # Errors
/// Where the target can't be run, or a campaign does not come to its end.
pub fn measure(
    plan: &Plan,
    device: &Device<'_>,
    runs: &Runs,
    emulated: Emulated,
) -> Result<Report, Failure> {
    let mut samples: [Samples; 3] = Default::default();
    let (mut hyp, mut guest) = (Samples::default(), Samples::default());
    let mut round_trips = Vec::new();
    let mut restarts = 0;
    for _ in 0..plan.rounds {
        let alone = |subject, asked| device.rate(subject, asked, plan);
        let stage2 = Subject::STAGE2.into_iter().zip(&mut samples);
        let with_code = [(Subject::Hyp, &mut hyp), (Subject::Guest, &mut guest)];
        for (subject, samples) in stage2.chain(with_code) {
            let is_guest = subject == Subject::Guest;
            let asked = if is_guest { Asked::Guests } else { Asked::Probes };
            let Some(rate) = alone(subject, asked)? else { continue };
            samples.device.push(rate);
            if is_guest {
                round_trips.extend(alone(subject, Asked::RoundTrips)?);
            }
            let few = runs.rate(subject, FEW, plan)?;
            let many = runs.rate(subject, MANY, plan)?;
            samples.few.push(few.probes_per_second);
            samples.many.push(many.probes_per_second);
            samples.cases.push(few.cases_per_second);
            restarts += few.restarts + many.restarts;
        }
    }
    let hyp = (!hyp.device.is_empty()).then(|| hyp.rates());
    let guest = (!guest.device.is_empty())
        .then(|| Guests { rates: guest.rates(), round_trips_per_second: median(round_trips) });
    let granules = samples.map(Samples::rates);
    let footprint = |&cases: &u64| {
        let Bill { runner_bytes, emulator_bytes } = runs.memory(cases, plan.processes)?;
        Ok(Footprint { cases, runner_bytes, emulator_bytes })
    };
    let memory = plan.memory_cases.iter().map(footprint).collect::<Result<_, Failure>>()?;
    Ok(Report {
        host: Host::this(),
        emulated,
        processes: plan.processes.get(),
        granules,
        hyp,
        guest,
        walks: reference::walks_per_second(),
        memory,
        restarts,
    })
}

/// Where a run finds what it needs.
#[derive(Clone, Debug)]
pub struct Paths {
    pub program: PathBuf,
    /// The suites of the campaigns.
    pub suites: PerSubject<PathBuf>,
    /// The default campaign, whose memory is measured.
    pub long_suite: PathBuf,
    pub target: PathBuf,
    /// The executor's ELF file.
    pub executor: PathBuf,
    /// Another emulator than the default one.
    pub emulator: Option<PathBuf>,
}

/// The middle value; 0 where there is none.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_not_moved_by_one_value_that_is_off() {
        assert_eq!(median(vec![900.0, 2.0, 1.0]), 2.0);
        assert_eq!(median(vec![]), 0.0);
    }
}
