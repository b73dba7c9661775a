//! `hypwalk replay`: one case again, told step by step.

use clap::Args;
use device::Identity;
use judge::established::Established;
use judge::verdict::CaseRecord;

use super::known_errata::ErrataArgs;
use super::named_case::OnTarget;
use crate::exit::Exit;
use crate::explain::replay::{Which, replay};
use crate::failure::Failure;
use crate::output::print;

/// Run one case again, and tell it step by step.
///
/// For each probe: the walk of the reference walker, what the architecture allows, and what was
/// observed. No probe is held back, and an answer that known errata predict is told in full too. Of a case with more
/// than 8 probes those with findings are shown. A case of a run is put to the target that the run was of, and judged by
/// the errata that were known to it, where nothing else is said.
#[derive(Debug, Args)]
pub struct Replay {
    /// A case file, or RUN:INDEX for case number INDEX of a run.
    #[arg(value_name = "FILE|RUN:INDEX")]
    case: String,
    /// Show the probe of this number, too; it can be said several times.
    #[arg(long = "probe", value_name = "NUMBER", conflicts_with = "all")]
    probes: Vec<u16>,
    /// Show all probes, however many there are.
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    on: OnTarget,
    #[command(flatten)]
    errata: ErrataArgs,
}

impl Replay {
    /// Does it.
    pub fn run(self) -> Result<Exit, Failure> {
        let found = self.on.find(&self.case)?;
        let (what, case) = (&found.what, &found.case);
        let count = case.as_ref().probes.len();
        if let Some(number) = self.probes.iter().find(|number| usize::from(**number) >= count) {
            let error = format!("{what} has no probe {number}: it has {count}");
            return Err(Failure::new(Exit::Usage, error));
        }
        let opened = self.on.open(&found)?;
        let Identity { name, emulator, .. } = opened.target.identity();
        let emulator =
            emulator.as_ref().map_or(String::new(), |emulator| format!(", emulator {emulator}"));
        print(format_args!("{what} on {name}{emulator}\n"))?;
        let known = self.errata.of_case(found.header.as_deref(), opened.target.identity())?;
        let which = match (self.all, self.probes) {
            (true, _) => Which::All,
            (false, probes) if probes.is_empty() => Which::Few,
            (false, probes) => Which::These(probes),
        };
        let established = Established { learned: opened.learned, known };
        let replayed = replay(opened.target.as_ref(), case, established, &which)?;
        print(&replayed.text)?;
        let CaseRecord { findings, verdicts, .. } = &replayed.record;
        Ok(Exit::of(findings.iter().map(|finding| finding.verdict).max(), verdicts))
    }
}
