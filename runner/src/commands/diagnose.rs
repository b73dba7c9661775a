//! `hypwalk diagnose`: what is wrong with a device.

use std::path::PathBuf;

use clap::Args;
use judge::known::KnownErrata;

use super::results::Results;
use crate::diagnosis::device::Device;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{print, remark, save};
use crate::record::Run;
use crate::report::against::Against;
use crate::report::causes::{Line, Told};
use crate::report::errata_file::errata_file;
use crate::report::reference;
use crate::report::versions::Versions;

/// Tell the causes behind the findings of runs, also of those that were interrupted.
///
/// A cause is an erratum: a named way in which a device breaks a rule of the architecture. It is named where the
/// reference walker with that erratum alone predicts the answers bit by bit. That is a hypothesis: the numbers say
/// how many findings it predicts, and how many answers in the same cases conform where it predicts otherwise. Where
/// something else holds of all those than of the findings, such as the instruction or the EL, that is
/// told. Findings that no erratum predicts, or only such that as many answers contradict, are listed by the rule that
/// decides and how the answers differ; so are deaths, which none predicts. Runs of one target and emulator
/// are taken together, whatever their suites.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit code: 0 when nothing was found, 1 when there are findings; with --against, 0 when RUN has \
    no cause and no kind of unexplained finding that the others have not, 1 when it has. 4 when a run can't be read, \
    such as one of another format."
)]
pub struct Diagnose {
    /// The runs: their folders, or their ids in the results folder.
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<PathBuf>,
    #[command(flatten)]
    results: Results,
    /// Tell which causes only these runs have, and which only this one has. Several can be named.
    #[arg(long, value_name = "RUN")]
    against: Vec<PathBuf>,
    /// Write a table in Markdown, with a column for each version of the emulator.
    #[arg(long, conflicts_with_all = ["against", "json"])]
    versions: bool,
    /// Write what is known of each version into a folder of its own in FOLDER: a file a target.
    #[arg(long, value_name = "FOLDER", conflicts_with = "against")]
    reference: Option<PathBuf>,
    /// Count what these errata predict as known, of runs that did not know of them: a file, or a folder of them; can be
    /// given several times. Nothing is asked or walked again: a finding is known where one of them predicts it by itself,
    /// under its conditions.
    #[arg(long, value_name = "PATH", conflicts_with = "against")]
    errata: Vec<PathBuf>,
    /// Write the causes as a file of known errata, for `hypwalk run --errata FILE`: with the version of the device, and the
    /// operations by which each shows. References are left to fill in.
    #[arg(long, value_name = "FILE", conflicts_with = "against")]
    write: Option<PathBuf>,
    /// Write one line of JSON a device.
    #[arg(long)]
    json: bool,
}

impl Diagnose {
    /// Does it. The exit code is the worst of the devices'.
    pub fn run(self) -> Result<Exit, Failure> {
        let runs = self.open(&self.runs)?;
        if !self.against.is_empty() {
            return self.compare(runs);
        }
        let errata = match &self.errata[..] {
            [] => None,
            paths => Some(KnownErrata::read(paths)?),
        };
        let errata = errata.as_ref();
        let devices = Device::each(runs.clone(), errata, Device::identity)?;
        if let Some(file) = &self.write {
            save(file, &errata_file(&devices))?;
        }
        if let Some(folder) = &self.reference {
            reference::write(folder, &devices)?;
        }
        if self.versions {
            print(Versions::new(&Device::each(runs, errata, Device::version)?))?;
        } else {
            self.tell(&devices)?;
        }
        let is_clean = devices.iter().all(|device| device.findings() == 0);
        Ok(if is_clean { Exit::Conforms } else { Exit::Findings })
    }

    fn tell(&self, devices: &[Device]) -> Result<(), Failure> {
        for (number, device) in devices.iter().enumerate() {
            torn(device);
            if self.json {
                let line = serde_json::to_string(&Line::new(device)).unwrap_or_default();
                print(format_args!("{line}\n"))?;
            } else {
                let gap = if number == 0 { "" } else { "\n" };
                print(format_args!("{gap}{}", Told(device)))?;
            }
        }
        Ok(())
    }

    fn compare(&self, runs: Vec<Run>) -> Result<Exit, Failure> {
        let here = Device::new(runs)?;
        let there = Device::new(self.open(&self.against)?)?;
        torn(&here);
        torn(&there);
        let against = Against::new(&here, &there);
        if self.json {
            print(format_args!("{}\n", serde_json::to_string(&against).unwrap_or_default()))?;
        } else {
            print(&against)?;
        }
        Ok(if against.has_news() { Exit::Findings } else { Exit::Conforms })
    }

    fn open(&self, runs: &[PathBuf]) -> Result<Vec<Run>, Failure> {
        Ok(runs.iter().map(|run| self.results.open(run)).collect::<Result<_, _>>()?)
    }
}

fn torn(device: &Device) {
    if let Some(bytes) = device.diagnosis.torn {
        remark(format_args!("note: the last record is torn: {bytes} bytes of it are left out"));
    }
}
