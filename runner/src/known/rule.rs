//! One known issue.

use std::collections::BTreeMap;

use case::probe::Operation;
use golden::Registers;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::suite::hex::Hex;
use crate::suite::name::Name;
use crate::suite::yaml::Spanned;

/// A file of known issues.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Hypwalk known issues")]
pub struct File {
    /// The issues.
    #[schemars(with = "Vec<RuleFields>")]
    pub issues: Vec<Spanned<RuleFields>>,
}

/// A known issue as its file says it.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleFields {
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
    /// The operations that show it, such as `at_s12e1w`. Default: any.
    #[serde(default)]
    operations: Vec<String>,
    /// What the architecture asks for instead, as in a finding's signature, the level left out.
    /// Default: anything.
    #[serde(default)]
    expected: Vec<String>,
    /// What is observed, as in a finding's signature, what stands behind `instead of` left out.
    observed: Vec<String>,
    /// Bits of registers that it takes. Default: none.
    #[serde(default)]
    registers: BTreeMap<Register, Bits>,
    /// It takes a root table of fewer bytes than this.
    #[serde(default)]
    root_below: Option<u64>,
}

/// A register that a rule can look at.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Deserialize, JsonSchema)]
#[expect(non_camel_case_types, reason = "they are Arm's names")]
enum Register {
    HCR_EL2,
    VTCR_EL2,
    VTTBR_EL2,
}

/// Bits of a register.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Bits {
    /// The bits that count.
    mask: Hex,
    /// Their value. Default: any but 0.
    #[serde(default)]
    value: Option<Hex>,
}

/// A known issue.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rule {
    name: Name,
    reference: String,
    emulators: Vec<String>,
    targets: Vec<Name>,
    operations: Vec<Operation>,
    expected: Vec<String>,
    observed: Vec<String>,
    registers: BTreeMap<Register, Bits>,
    root_below: Option<u64>,
}

/// What a probe showed that does not conform.
#[derive(Clone, Copy, Debug)]
pub struct Symptom<'a> {
    /// What was asked.
    pub operation: Operation,
    /// The kind of answer that the architecture asks for.
    pub expected: &'a str,
    /// What is wrong with the answer that came.
    pub observed: &'a str,
    /// The registers of the case.
    pub registers: &'a Registers,
    /// The size of the root table, in bytes.
    pub root_bytes: u64,
}

impl Rule {
    /// Checks a rule. The error says what is wrong with it.
    pub fn new(fields: RuleFields) -> Result<Self, String> {
        if fields.reference.trim().is_empty() {
            return Err("`reference` is empty: say what is wrong, and by which rule".into());
        }
        if fields.observed.is_empty() {
            return Err("`observed` is empty: nothing would be known".into());
        }
        let narrow = !fields.expected.is_empty()
            || !fields.registers.is_empty()
            || fields.root_below.is_some();
        if !narrow {
            let problem = "it is too broad, and would swallow other issues: say what is `expected`, \
                           or which `registers` or what root it takes";
            return Err(problem.into());
        }
        let operation = |name: &String| {
            Operation::from_name(name).ok_or_else(|| format!("`{name}` is no operation"))
        };
        let operations = fields.operations.iter().map(operation).collect::<Result<_, _>>()?;
        let RuleFields { name, reference, emulators, targets, expected, observed, .. } = fields;
        let RuleFields { registers, root_below, .. } = fields;
        let reference = reference.split_whitespace().collect::<Vec<_>>().join(" ");
        Ok(Self {
            name,
            reference,
            emulators,
            targets,
            operations,
            expected,
            observed,
            registers,
            root_below,
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

    /// Whether it is about the target called `name`, run by version `emulator` of its emulator.
    pub fn is_about(&self, name: &str, emulator: Option<&str>) -> bool {
        let emulator = emulator.unwrap_or_default();
        (self.targets.is_empty() || self.targets.iter().any(|target| target.as_str() == name))
            && (self.emulators.is_empty()
                || self.emulators.iter().any(|version| emulator.starts_with(version)))
    }

    /// Whether it can show in a case with these registers and a root of so many bytes.
    pub fn may_show(&self, registers: &Registers, root_bytes: u64) -> bool {
        let bits = |(register, bits): (&Register, &Bits)| {
            let value = match register {
                Register::HCR_EL2 => registers.hcr_el2,
                Register::VTCR_EL2 => registers.vtcr_el2,
                Register::VTTBR_EL2 => registers.vttbr_el2,
            };
            match bits.value {
                Some(wanted) => value & bits.mask.0 == wanted.0,
                None => value & bits.mask.0 != 0,
            }
        };
        self.registers.iter().all(bits) && self.root_below.is_none_or(|below| root_bytes < below)
    }

    /// Whether `symptom` is one of this issue.
    pub fn names(&self, symptom: &Symptom<'_>) -> bool {
        let level_less = |kind: &str| {
            kind.split(", level").next() == Some(symptom.expected)
                || symptom.expected.split(", level").next() == Some(kind)
        };
        (self.operations.is_empty() || self.operations.contains(&symptom.operation))
            && (self.expected.is_empty() || self.expected.iter().any(|kind| level_less(kind)))
            && self.observed.iter().any(|observed| observed == symptom.observed)
            && self.may_show(symptom.registers, symptom.root_bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::Rules;
    use super::*;

    const RULE: &str = "
issues:
  - name: fwb-device
    reference: the device type of stage 1 is lost
    emulators: ['10.0.']
    operations: [at_s12e1r]
    expected: [success]
    observed: ['success, with another ATTR']
    registers:
      HCR_EL2: { mask: 0x4000_0000_1000, value: 0x4000_0000_0000 }
";

    fn rules(text: &str) -> Result<Rules, String> {
        Rules::from_text(text, Path::new("k.yaml")).map_err(|error| error.to_string())
    }

    fn symptom<'a>(registers: &'a Registers, observed: &'a str) -> Symptom<'a> {
        let operation = Operation::AtS12e1r;
        Symptom { operation, expected: "success", observed, registers, root_bytes: 4096 }
    }

    #[test]
    fn a_rule_names_what_it_says_and_nothing_else() {
        let mut known = rules(RULE).unwrap().for_target("qemu-max", Some("10.0.2 (Debian)"));
        let fwb = Registers { hcr_el2: 0x4000_8000_0001, ..Registers::default() };
        let dc = Registers { hcr_el2: 0x4000_8000_1001, ..Registers::default() };
        let seen = "success, with another ATTR";
        assert!(known.names(&symptom(&fwb, seen)).is_some());
        assert!(known.names(&symptom(&dc, seen)).is_none(), "DC = 1");
        assert!(known.names(&symptom(&fwb, "success, with another ATTR and SH")).is_none());
        assert!(known.names(&symptom(&fwb, "success, with another PA")).is_none());
        let fault = Symptom { expected: "stage 2 Permission fault", ..symptom(&fwb, seen) };
        assert!(known.names(&fault).is_none());
        let write = Symptom { operation: Operation::AtS12e1w, ..symptom(&fwb, seen) };
        assert!(known.names(&write).is_none());
        assert_eq!(known.shown()["fwb-device"].probes, 1);
    }

    #[test]
    fn a_rule_is_for_its_emulators() {
        let rules = rules(RULE).unwrap();
        let registers = Registers { hcr_el2: 0x4000_8000_0001, ..Registers::default() };
        let symptom = symptom(&registers, "success, with another ATTR");
        for (emulator, named) in [(Some("10.0.13"), true), (Some("11.1.2"), false), (None, false)] {
            let mut known = rules.for_target("qemu-max", emulator);
            assert_eq!(known.names(&symptom).is_some(), named, "{emulator:?}");
        }
    }

    #[test]
    fn levels_of_what_is_expected_do_not_count() {
        let text = RULE.replace("[success]", "[stage 2 Permission fault]");
        let mut known = rules(&text).unwrap().for_target("qemu-max", Some("10.0.2"));
        let registers = Registers { hcr_el2: 0x4000_8000_0001, ..Registers::default() };
        let symptom = symptom(&registers, "success, with another ATTR");
        let fault = Symptom { expected: "stage 2 Permission fault, level 3", ..symptom };
        assert!(known.names(&fault).is_some());
        let other = Symptom { expected: "stage 2 Translation fault, level 3", ..symptom };
        assert!(known.names(&other).is_none());
    }

    #[test]
    fn a_rule_that_would_swallow_others_is_refused_where_it_stands() {
        let text = "issues:\n  - name: a\n    reference: b\n    observed: [success]\n";
        let error = rules(text).unwrap_err();
        assert!(error.starts_with("k.yaml:2:5: it is too broad"), "{error}");
        let error = rules(&text.replace("[success]", "[]")).unwrap_err();
        assert!(error.contains("`observed` is empty"), "{error}");
        let error = rules(&text.replace("reference: b", "reference: ''")).unwrap_err();
        assert!(error.contains("`reference` is empty"), "{error}");
        let error = rules(&text.replace("observed", "seen")).unwrap_err();
        assert!(error.contains("seen"), "{error}");
    }
}
