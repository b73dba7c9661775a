//! Files of known errata.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use case::operation::Operation;
use golden::FieldName;
use golden::errata::{self, Effect, Erratum};
use oracle::flaw::{Condition, Flaw};
use schemars::JsonSchema;
use serde::Deserialize;
use suite::name::Name;
use suite::yaml::{Location, Spanned, YamlError, nearest};

use super::version::{Coverage, Versions};

/// A file of known errata.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Hypwalk errata")]
pub struct ErrataFile {
    /// The errata.
    #[schemars(with = "Vec<Entry>")]
    pub errata: Vec<Spanned<Entry>>,
}

/// Errata that have a cause in common.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Errata")]
pub struct Entry {
    /// Their names: `hypwalk errata` lists them all.
    #[schemars(with = "Vec<String>", length(min = 1))]
    names: Spanned<Vec<Spanned<String>>>,
    /// What is wrong, by which rule, and where that is told.
    reference: String,
    /// The versions of the emulator that have them. Default: any, and what is no emulator.
    #[schemars(with = "Option<Versions>")]
    emulators: Option<Spanned<Versions>>,
    /// The targets that have them. Default: any.
    #[serde(default)]
    targets: Vec<Name>,
    /// When they show. Default: always.
    #[serde(default)]
    when: When,
    /// They show now and then: what is answered without them is predicted as well. Default: they always show.
    #[serde(default)]
    sometimes: bool,
    /// Case files that show them, beside this file. On an emulator that is later than the last of `emulators` they
    /// tell whether it has them. Default: none.
    #[serde(default)]
    reproducers: Vec<PathBuf>,
}

/// When errata show: all of it holds.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct When {
    /// The probe asks by one of these operations, such as `load` or `at_s12*`. Default: by any.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    operations: Vec<Spanned<String>>,
    /// Register fields by Arm's names, such as `HCR_EL2.FWB`, and the values that they may have. Default: any.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, Vec<u64>>")]
    fields: BTreeMap<String, Spanned<Vec<u64>>>,
}

/// An erratum that targets are known to have.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KnownErratum {
    flaw: Flaw,
    reference: String,
    emulators: Versions,
    /// None: any.
    targets: Vec<Name>,
    reproducers: Vec<PathBuf>,
}

impl KnownErratum {
    /// The errata of an entry, which stands in `text` of `file`, each with the place of its name.
    pub(super) fn read(
        entry: Spanned<Entry>,
        text: &str,
        file: &Path,
    ) -> Result<Vec<Spanned<Self>>, YamlError> {
        let refuse = |place, problem: String| YamlError::at(text, file, place, problem);
        let (place, entry) = (entry.referenced, entry.value);
        if entry.reference.split_whitespace().next().is_none() {
            let problem = "`reference` is empty: say what is wrong, and by which rule";
            return Err(refuse(place, problem.into()));
        }
        if entry.names.value.is_empty() {
            let problem = "`names` is empty: nothing would be known";
            return Err(refuse(entry.names.referenced, problem.into()));
        }
        if let Some(emulators) = &entry.emulators
            && let Some(problem) = emulators.value.problem()
        {
            return Err(refuse(emulators.referenced, problem));
        }
        let emulators = entry.emulators.map(|emulators| emulators.value).unwrap_or_default();
        let folder = file.parent().unwrap_or(Path::new(""));
        let reproducers: Vec<PathBuf> =
            entry.reproducers.iter().map(|reproducer| folder.join(reproducer)).collect();
        let when = condition(entry.when, refuse)?;
        let known = |name: Spanned<String>| {
            let Some(erratum) = errata::named(&name.value) else {
                let said = name.value.escape_debug();
                let near = nearest(&name.value, errata::all().map(|erratum| erratum.name));
                let problem = match near {
                    Some(near) => format!("unknown erratum `{said}`: did you mean `{near}`?"),
                    None => format!("unknown erratum `{said}`: `hypwalk errata` lists them"),
                };
                return Err(refuse(name.referenced, problem));
            };
            let value = Self {
                flaw: Flaw { erratum, when: when.clone(), sometimes: entry.sometimes },
                reference: entry.reference.split_whitespace().collect::<Vec<_>>().join(" "),
                emulators: emulators.clone(),
                targets: entry.targets.clone(),
                reproducers: reproducers.clone(),
            };
            Ok(Spanned { value, referenced: name.referenced, defined: name.defined })
        };
        entry.names.value.into_iter().map(known).collect()
    }

    /// The name of the erratum.
    pub const fn name(&self) -> &'static str {
        self.flaw.erratum.name
    }

    /// What is wrong, and where that is told.
    pub fn reference(&self) -> &str {
        &self.reference
    }

    /// The erratum, and when it shows.
    pub const fn flaw(&self) -> &Flaw {
        &self.flaw
    }

    /// The case files that show it, by their paths.
    pub fn reproducers(&self) -> &[PathBuf] {
        &self.reproducers
    }

    /// The targets that it is of; none: any.
    pub fn targets(&self) -> impl Iterator<Item = &str> {
        self.targets.iter().map(Name::as_str)
    }

    /// Whether the target called `name` may have it.
    pub fn is_of(&self, name: &str) -> bool {
        self.targets.is_empty() || self.targets().any(|target| target == name)
    }

    /// Where the version that `emulator` says of itself lies among those that have it.
    pub fn coverage(&self, emulator: Option<&str>) -> Coverage {
        self.emulators.coverage(emulator)
    }

    /// Whether all versions that have it are earlier than those that have `other`.
    pub(super) fn is_earlier(&self, other: &Self) -> bool {
        self.emulators.ends_before(&other.emulators)
    }

    /// Why a target can't have it beside `other`, if one may have both and can't.
    pub(super) fn conflict(&self, other: &Self) -> Option<String> {
        let targets = self.targets.is_empty()
            || other.targets.is_empty()
            || self.targets.iter().any(|target| other.targets.contains(target));
        if !targets || !self.emulators.meet(&other.emulators) {
            return None;
        }
        let (name, another) = (self.name(), other.name());
        if name == another {
            return Some(format!(
                "`{name}` is known already of such a target: say in one place what there is to say of it"
            ));
        }
        contradict(self.flaw.erratum, other.flaw.erratum).then(|| {
            format!("`{name}` and `{another}` contradict each other: no target can have both")
        })
    }
}

/// Whether no device can have both errata.
fn contradict(one: &Erratum, other: &Erratum) -> bool {
    match (one.effect, other.effect) {
        (Effect::Register { value, .. }, Effect::Register { value: another, .. }) => {
            one.breaks == other.breaks && value != another
        }
        (Effect::With(one), Effect::Without(other))
        | (Effect::Without(other), Effect::With(one)) => one == other,
        _ => false,
    }
}

/// Checks a condition.
fn condition(
    when: When,
    refuse: impl Fn(Location, String) -> YamlError,
) -> Result<Condition, YamlError> {
    let mut condition = Condition::default();
    for name in when.operations {
        let found: Vec<Operation> = match name.value.strip_suffix('*') {
            Some(front) => {
                let is_such = |operation: &Operation| operation.name().starts_with(front);
                Operation::of_real_builds().filter(is_such).collect()
            }
            None => Operation::from_name(&name.value).into_iter().collect(),
        };
        if found.is_empty() {
            let said = name.value.escape_debug();
            let near = nearest(&name.value, Operation::of_real_builds().map(Operation::name));
            let problem = match near {
                Some(near) => format!("unknown operation `{said}`: did you mean `{near}`?"),
                None => format!("unknown operation `{said}`"),
            };
            return Err(refuse(name.referenced, problem));
        }
        condition.operations.extend(found);
    }
    for (name, values) in when.fields {
        let Some(field) = FieldName::named(&name) else {
            let all = FieldName::all().map(|(register, field)| format!("{register}.{field}"));
            let said = name.escape_debug();
            let problem = match nearest(&name, all) {
                Some(near) => format!("unknown field `{said}`: did you mean `{near}`?"),
                None => format!("unknown field `{said}`: one is called like HCR_EL2.FWB"),
            };
            return Err(refuse(values.referenced, problem));
        };
        let too_big = values.value.iter().find(|value| **value > field.greatest());
        if let Some(value) = too_big {
            let problem =
                format!("{name} has no value {value}: {} is its greatest", field.greatest());
            return Err(refuse(values.referenced, problem));
        }
        if values.value.is_empty() {
            return Err(refuse(
                values.referenced,
                format!("{name} has no value: it would never show"),
            ));
        }
        condition.fields.push((field, values.value));
    }
    Ok(condition)
}
