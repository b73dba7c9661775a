//! `hypwalk errata`: the ways of being wrong that can be diagnosed.

use clap::Args;
use golden::errata::{self, Erratum};
use serde::Serialize;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::print;

/// List the errata: the named ways in which a device may break a rule, by which findings are diagnosed.
#[derive(Debug, Args)]
pub struct Errata {
    /// Those alone whose name, or what they do or break, has this text in it.
    #[arg(value_name = "TEXT")]
    text: Option<String>,
    /// Write one line of JSON an erratum.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Line {
    name: &'static str,
    does: &'static str,
    breaks: &'static str,
}

impl Errata {
    /// Does it.
    pub fn run(self) -> Result<Exit, Failure> {
        let text = self.text.unwrap_or_default().to_lowercase();
        let has_it = |erratum: &&Erratum| {
            let Erratum { name, does, breaks, .. } = erratum;
            [name, does, breaks].iter().any(|told| told.to_lowercase().contains(&text))
        };
        let mut found = errata::all().filter(has_it).peekable();
        if found.peek().is_none() {
            let error = Failure::new(Exit::Usage, format!("no erratum has {text:?} in it"));
            return Err(error.help("`hypwalk errata` lists all"));
        }
        for &Erratum { name, does, breaks, .. } in found {
            if self.json {
                let line = Line { name, does, breaks };
                print(format_args!("{}\n", serde_json::to_string(&line).unwrap_or_default()))?;
            } else {
                print(format_args!("{name}\n    {does} [{breaks}]\n"))?;
            }
        }
        Ok(Exit::Conforms)
    }
}
