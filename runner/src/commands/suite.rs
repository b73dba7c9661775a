//! `hypwalk suite`: what a suite says, without a target.

use std::path::{Path, PathBuf};

use case::draw::stage2::exhaustive::LegalityPoint;
use case::source::Counted;
use clap::{Args, Subcommand};
use suite::generator::Generator;
use suite::seed::Seed;

use super::lookup::Shelf;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::print;

/// Look at suites, without a target.
#[derive(Debug, Args)]
pub struct Suite {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check suites, and tell what they would draw.
    Check {
        /// Suites: paths, or names of files in suites/.
        #[arg(required = true)]
        suites: Vec<PathBuf>,
    },
}

impl Suite {
    /// Does it.
    pub fn run(self) -> Result<Exit, Failure> {
        let Command::Check { suites } = self.command;
        for suite in suites {
            check(&suite)?;
        }
        Ok(Exit::Conforms)
    }
}

fn check(suite: &Path) -> Result<(), Failure> {
    let suite = suite::Suite::read(&Shelf::Suites.find(suite)?)?;
    let mut text = format!("{}\n", suite.name);
    for line in suite.description.lines() {
        text += &format!("  {line}\n");
    }
    text += &match suite.seed {
        Seed::Fixed(seed) => format!("  seed {seed}\n"),
        Seed::Date => "  seed from the date\n".to_owned(),
    };
    if let Some(seconds) = suite.seconds {
        text += &format!("  at most {seconds} seconds\n");
    }
    for generator in &suite.generators {
        text += &format!("  - {}: {}\n", generator.name(), draws(generator));
    }
    print(text)
}

/// What a generator draws, in words.
fn draws(generator: &Generator) -> String {
    match generator {
        Generator::Drawn { source, rounds } => {
            let probes = source.probes();
            match (source.counted(), rounds) {
                (Counted::Cases, Some(cases)) => format!("{cases} of {probes} probes each"),
                (_, None) => format!("as many as there is time for, of {probes} probes each"),
                (Counted::Rounds, Some(rounds)) => {
                    format!(
                        "{rounds} times every shape that the target has, of {probes} probes each"
                    )
                }
                (Counted::Once, Some(_)) => format!("{} points", LegalityPoint::COUNT),
            }
        }
        Generator::Explicit(cases) => {
            let names: Vec<String> = cases
                .iter()
                .map(|explicit| {
                    let probes = explicit.case.as_ref().as_ref().probes.len();
                    format!("\n      {} (probes: {probes})", explicit.name)
                })
                .collect();
            format!("{}{}", cases.len(), names.concat())
        }
    }
}
