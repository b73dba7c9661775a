//! The machine that the runner itself ran on.

use std::fmt;
use std::fs;
use std::thread;

use serde::{Deserialize, Serialize};

/// The machine that the runner itself ran on, as far as a run's speed depends on it. Two containers on
/// machines of the same kind are the same to it: it names no host.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Host {
    /// What the processor calls itself, or its architecture where it does not say.
    pub processor: String,
    /// Processors that the runner and its emulators could use.
    pub processors: usize,
}

impl Host {
    /// This machine.
    pub fn this() -> Self {
        let said = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let processor = model(&said).unwrap_or(std::env::consts::ARCH).to_owned();
        let processors = thread::available_parallelism().map_or(1, Into::into);
        Self { processor, processors }
    }
}

/// The first model that a `/proc/cpuinfo` names.
fn model(said: &str) -> Option<&str> {
    let mut fields = said.lines().filter_map(|line| line.split_once(':'));
    let (_, model) = fields.find(|(name, _)| name.trim() == "model name")?;
    Some(model.trim()).filter(|model| !model.is_empty())
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} x {}", self.processors, self.processor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_is_found_where_it_is_told() {
        let said = "processor\t: 0\nmodel\t\t: 143\nmodel name\t: Some CPU @ 2.0GHz\nflags\t: a\n";
        assert_eq!(model(said), Some("Some CPU @ 2.0GHz"));
        assert_eq!(model("processor\t: 0\nCPU part\t: 0xd0c\n"), None);
        assert_eq!(model("model name\t: \n"), None);
        assert!(Host::this().processors >= 1);
    }
}
