//! What was found on devices as a file of known errata: a draft, whose references are left to fill in.

use std::fmt::Write as _;
use std::path::Path;

use golden::errata::Effect;
use judge::known::{KnownErrata, version};

use super::causes::{headline, support, what};
use super::legal::one_line;
use crate::diagnosis::device::Device;
use crate::diagnosis::{Cause, Condition};

/// The text of a file that has the causes of what was found on `devices`. It can be read: a cause that does not go together
/// with one before it is left out, and stands there as a comment that says why.
pub fn errata_file(devices: &[Device]) -> String {
    let mut text = String::new();
    for device in devices {
        let _ = writeln!(text, "# {}", one_line(&headline(device)));
    }
    text += "# A diagnosis is a hypothesis. Fill the references in: what is wrong, by which rule, and where that is told.\n";
    let mut entries = Vec::new();
    for (device, cause) in all(devices) {
        let entry = entry(device, cause);
        entries.push(entry);
        if let Err(problem) = read(&entries)
            && let Some(entry) = entries.pop()
        {
            let lines: String = entry.lines().map(|line| format!("  # {line}\n")).collect();
            let _ = write!(text, "#\n# Left out: {}\n{lines}", one_line(&problem));
        }
    }
    text + &list(&entries)
}

fn all(devices: &[Device]) -> impl Iterator<Item = (&Device, &Cause)> {
    devices
        .iter()
        .flat_map(|device| device.diagnosis.causes.causes.iter().map(move |cause| (device, cause)))
}

fn list(entries: &[String]) -> String {
    match entries {
        [] => "errata: []\n".to_owned(),
        entries => format!("errata:\n{}", entries.concat()),
    }
}

/// Why nobody could read these entries.
fn read(entries: &[String]) -> Result<(), String> {
    let read = KnownErrata::from_text(&list(entries), Path::new("errata.yaml"));
    read.map(|_| ()).map_err(|error| error.problem)
}

/// The entry of one cause, by the first of its errata.
fn entry(device: &Device, cause: &Cause) -> String {
    let mut text = format!("  # {}\n  # {}\n", one_line(&what(cause)), support(cause));
    for other in &cause.errata[1..] {
        let _ = writeln!(text, "  # or {other}: these findings do not tell them apart");
    }
    let (case, question) = (cause.first.case, one_line(&cause.first.finding.question.to_string()));
    let _ = writeln!(text, "  # first in case {case}: {question}");
    let when = cause.condition.as_ref().filter(|_| !is_of_tlbs(cause)).and_then(Condition::when);
    if let (Some(condition), None) = (&cause.condition, &when) {
        let _ = writeln!(text, "  # It shows where {condition}: such a file can't say so.");
    }
    let _ = writeln!(text, "  - names: [{}]", quoted(cause.name()));
    let _ = writeln!(text, "    reference: to be filled in");
    if let Some(version) = device.emulators().first().and_then(|emulator| version(emulator)) {
        let version = quoted(&version);
        let _ = writeln!(text, "    emulators: {{ from: {version}, to: {version} }}");
    }
    let targets: Vec<String> = device.targets().into_iter().map(quoted).collect();
    let _ = writeln!(text, "    targets: [{}]", targets.join(", "));
    match when {
        Some(when) => {
            let _ = writeln!(text, "    when: {{ {when} }}");
        }
        None if cause.contradicted + cause.elsewhere > 0 => text += "    sometimes: true\n",
        None => {}
    }
    text
}

/// Whether the erratum is one of TLB maintenance: its operations are those of TLBI instructions, and no probe has them.
fn is_of_tlbs(cause: &Cause) -> bool {
    cause.erratum().is_some_and(|erratum| matches!(erratum.effect, Effect::Tlbi(_)))
}

/// `text` as YAML has it in single quotes.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
