//! A known issue of TLB maintenance: instructions that do nothing.
//!
//! What such an instruction leaves behind can show in any probe after it, and as any old translation. So a
//! rule says which instructions they are, and an answer that is not allowed is held against what would be
//! allowed had they not been executed.

use std::path::Path;

use case::operation::Operation;
use schemars::JsonSchema;
use serde::Deserialize;

use oracle::ineffective::IneffectiveTlbi;
use suite::case_file::ProbeFlag;
use suite::name::Name;
use suite::yaml::{Spanned, YamlError, nearest};

/// A known issue of TLB maintenance as its file says it.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Ineffective")]
pub struct IneffectiveFields {
    /// What reports call it.
    name: Name,
    /// What is wrong, by which rule, and where that is told.
    reference: String,
    /// Beginnings of the emulator versions that have it, such as `10.0.`. Default: any.
    #[serde(default)]
    emulators: Vec<String>,
    /// The targets that have it. Default: any.
    #[serde(default)]
    targets: Vec<Name>,
    /// The instructions that do nothing, such as `tlbi_ipas2e1`.
    #[schemars(with = "Vec<String>", length(min = 1))]
    operations: Spanned<Vec<Spanned<String>>>,
    /// The form in which they do nothing. Default: any.
    #[serde(default)]
    flags: Vec<ProbeFlag>,
}

/// A known issue of TLB maintenance.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ineffective {
    name: Name,
    reference: String,
    emulators: Vec<String>,
    targets: Vec<Name>,
    maintenance: IneffectiveTlbi,
}

impl Ineffective {
    /// Checks an issue, which stands in `text` of `file`.
    pub fn new(
        fields: Spanned<IneffectiveFields>,
        text: &str,
        file: &Path,
    ) -> Result<Self, YamlError> {
        let refuse = |place, problem: String| YamlError::at(text, file, place, problem);
        let (place, fields) = (fields.referenced, fields.value);
        if fields.reference.split_whitespace().next().is_none() {
            let problem = "`reference` is empty: say what is wrong, and by which rule";
            return Err(refuse(place, problem.into()));
        }
        if fields.operations.value.is_empty() {
            let problem = "`operations` is empty: nothing would be known";
            return Err(refuse(fields.operations.referenced, problem.into()));
        }
        let operation = |name: Spanned<String>| {
            let tlbi = Operation::from_name(&name.value).filter(|operation| operation.is_tlbi());
            tlbi.ok_or_else(|| {
                let all = Operation::of_real_builds().filter(|operation| operation.is_tlbi());
                let said = name.value.escape_debug();
                let problem = match nearest(&name.value, all.map(Operation::name)) {
                    Some(near) => format!("unknown maintenance `{said}`: did you mean `{near}`?"),
                    None => format!("`{said}` is no TLB maintenance: names begin with `tlbi_`"),
                };
                refuse(name.referenced, problem)
            })
        };
        let operations = fields.operations.value.into_iter().map(operation);
        let maintenance = IneffectiveTlbi {
            issue: fields.name.as_str().to_owned(),
            operations: operations.collect::<Result<_, _>>()?,
            flags: fields.flags.iter().fold(0, |bits, flag| bits | flag.bit()),
        };
        Ok(Self {
            name: fields.name,
            reference: fields.reference.split_whitespace().collect::<Vec<_>>().join(" "),
            emulators: fields.emulators,
            targets: fields.targets,
            maintenance,
        })
    }

    /// What reports call it.
    pub fn name(&self) -> &str {
        self.name.as_str()
    }

    /// What is wrong.
    pub fn reference(&self) -> &str {
        &self.reference
    }

    /// The targets that it is about; none: all.
    pub fn targets(&self) -> impl Iterator<Item = &str> {
        self.targets.iter().map(Name::as_str)
    }

    /// Whether it is about the target called `name`, run by version `emulator` of its emulator.
    pub fn is_about(&self, name: &str, emulator: Option<&str>) -> bool {
        let emulator = emulator.unwrap_or_default();
        (self.targets.is_empty() || self.targets().any(|target| target == name))
            && (self.emulators.is_empty()
                || self.emulators.iter().any(|version| emulator.starts_with(version)))
    }

    /// The instructions, as the oracle is told of them.
    pub fn maintenance(&self) -> IneffectiveTlbi {
        self.maintenance.clone()
    }
}

#[cfg(test)]
mod tests {
    use case::probe::Probe;

    use super::*;
    use crate::known::Rules;

    const ISSUE: &str = "
issues: []
maintenance:
  - name: os-does-nothing
    reference: the outer shareable form does nothing
    emulators: ['10.0.']
    operations: [tlbi_ipas2e1, tlbi_ripas2e1]
    flags: [os]
";

    #[test]
    fn an_issue_takes_the_forms_that_it_names_on_its_emulators() {
        let rules = Rules::from_text(ISSUE, Path::new("x")).unwrap();
        let known = rules.for_target("qemu-max", Some("10.0.2"));
        let takes = |step: Probe| known.ineffective().iter().any(|tlbi| tlbi.includes(&step));
        let ipas2 = Probe::new(Operation::TlbiIpas2e1, 0);
        assert!(takes(ipas2.with(Probe::OUTER_SHAREABLE)));
        assert!(takes(ipas2.with(Probe::OUTER_SHAREABLE | Probe::NXS)));
        assert!(!takes(ipas2) && !takes(ipas2.with(Probe::INNER_SHAREABLE)));
        assert!(!takes(Probe::new(Operation::TlbiVmalle1, 0).with(Probe::OUTER_SHAREABLE)));
        assert!(known.record().issues.contains_key("os-does-nothing"));
        assert!(rules.for_target("qemu-max", Some("11.0")).ineffective().is_empty());
    }

    #[test]
    fn what_is_wrong_is_told_where_it_stands() {
        let problem = |from: &str, to: &str| {
            Rules::from_text(&ISSUE.replace(from, to), Path::new("x")).unwrap_err().problem
        };
        assert_eq!(
            problem("tlbi_ipas2e1,", "tlbi_ipas2,"),
            "unknown maintenance `tlbi_ipas2`: did you mean `tlbi_ipas2e1`?"
        );
        assert_eq!(
            problem("tlbi_ipas2e1,", "load,"),
            "`load` is no TLB maintenance: names begin with `tlbi_`"
        );
        assert!(problem("[tlbi_ipas2e1, tlbi_ripas2e1]", "[]").contains("nothing would be known"));
    }
}
