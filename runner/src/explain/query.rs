//! What is asked.

use std::borrow::Cow;
use std::fmt;

use golden::{Access, Alignment, At, El, Implementation, Ipa, Operation, Stage2Operation, Va};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};
use vectors::Question;

use suite::bounded::Bounded;
use suite::hex::Hex;

/// A question: an AT instruction, an access by an instruction, or stage 2 alone.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Query")]
pub(super) struct QueryFields {
    /// An address translation instruction, such as S12E1R.
    at: Option<AtName>,
    /// An access by an instruction.
    access: Option<AccessName>,
    /// An access after stage 1, to be translated by stage 2 alone, or one of a stage 1 walk.
    stage2: Option<Stage2Name>,
    /// The address: a VA, for `stage2` an IPA.
    address: Hex,
    /// For `at`: the exception level that executes the instruction. Default: EL2.
    executed_at: Option<ElName>,
    /// For `access` and `stage2`: the exception level of the access. Default: EL1.
    el: Option<ElName>,
    /// For `at` and `access`: PSTATE.PAN. Default: false.
    pan: Option<bool>,
    /// For `access`: PSTATE.UAO. Default: false.
    uao: Option<bool>,
    /// For `access`: an unprivileged load or store, such as LDTR. Default: false.
    unprivileged: Option<bool>,
    /// For `access` and `stage2`: is it aligned to its size? Default: true.
    aligned: Option<bool>,
    /// For `stage2`: the attributes that stage 1 gave. Default: Normal Write-Back, Inner Shareable.
    stage1: Option<Stage1Fields>,
}

/// The memory attributes that stage 1 gave.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Stage1Attributes")]
struct Stage1Fields {
    /// The byte of MAIR_ELx.
    mair: Bounded<0, 0xff>,
    /// SH of the descriptor.
    sh: Bounded<0, 3>,
}

impl QueryFields {
    /// The question that they make.
    pub(super) fn question(&self, implementation: &Implementation) -> Result<Question, String> {
        let Hex(address) = self.address;
        let question = match (&self.at, self.access, self.stage2) {
            (Some(AtName(at)), None, None) => {
                let executed_at = self.executed_at.map_or(El::El2, El::from);
                let pan = self.pan.unwrap_or(false);
                Question::At { at: *at, executed_at, pan, va: Va(address) }
            }
            (None, Some(operation), None) => {
                let access = Access {
                    unprivileged: self.unprivileged.unwrap_or(false),
                    alignment: self.alignment(),
                    pan: self.pan.unwrap_or(false),
                    uao: self.uao.unwrap_or(false),
                    ..Access::new(operation.into(), self.el())
                };
                Question::Access { access, va: Va(address) }
            }
            (None, None, Some(operation)) => {
                if self.el() == El::El2 {
                    return Err("stage 2 translates for EL0 and EL1".into());
                }
                let mair = self.stage1.map_or(0xff, |stage1| stage1.mair.get() as u8);
                let sh = self.stage1.map_or(3, |stage1| stage1.sh.get() as u8);
                let (operation, el, ipa) = (operation.into(), self.el(), Ipa(address));
                let aligned = self.aligned.unwrap_or(true);
                Question::stage2(operation, el, aligned, (mair, sh), ipa, implementation)
                    .ok_or_else(|| format!("the MAIR byte {mair:#04x} is reserved"))?
            }
            (None, None, None) => {
                return Err("one of `at`, `access` and `stage2` is missing".into());
            }
            _ => return Err("only one of `at`, `access` and `stage2` can be asked".into()),
        };
        let (is_at, is_access) = (self.at.is_some(), self.access.is_some());
        let misplaced = [
            ("executed_at", self.executed_at.is_some() && !is_at),
            ("el", self.el.is_some() && is_at),
            ("pan", self.pan.is_some() && !is_at && !is_access),
            ("uao", self.uao.is_some() && !is_access),
            ("unprivileged", self.unprivileged.is_some() && !is_access),
            ("aligned", self.aligned.is_some() && is_at),
            ("stage1", self.stage1.is_some() && (is_at || is_access)),
        ];
        match misplaced.iter().find(|(_, misplaced)| *misplaced) {
            Some((key, _)) => Err(format!("`{key}` means nothing to this question")),
            None => Ok(question),
        }
    }

    /// Of an access that is not aligned: the worst.
    fn alignment(&self) -> Alignment {
        if self.aligned.unwrap_or(true) { Alignment::Aligned } else { Alignment::Across16 }
    }

    fn el(&self) -> El {
        self.el.map_or(El::El1, El::from)
    }
}

/// An access by an instruction.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "Access")]
enum AccessName {
    Load,
    Store,
    Fetch,
    Atomic,
}

impl From<AccessName> for Operation {
    fn from(name: AccessName) -> Self {
        match name {
            AccessName::Load => Self::Load,
            AccessName::Store => Self::Store,
            AccessName::Fetch => Self::Fetch,
            AccessName::Atomic => Self::Atomic,
        }
    }
}

/// What stage 2 is asked on its own.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "Stage2")]
enum Stage2Name {
    Load,
    Store,
    Fetch,
    Atomic,
    /// The read of a stage 1 descriptor.
    WalkRead,
    /// The hardware update of a stage 1 descriptor.
    WalkUpdate,
}

impl From<Stage2Name> for Stage2Operation {
    fn from(name: Stage2Name) -> Self {
        match name {
            Stage2Name::Load => Self::Access(Operation::Load),
            Stage2Name::Store => Self::Access(Operation::Store),
            Stage2Name::Fetch => Self::Access(Operation::Fetch),
            Stage2Name::Atomic => Self::Access(Operation::Atomic),
            Stage2Name::WalkRead => Self::Stage1WalkRead,
            Stage2Name::WalkUpdate => Self::Stage1WalkUpdate,
        }
    }
}

/// An exception level that translates by a regime in scope.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[schemars(rename = "ExceptionLevel")]
enum ElName {
    EL0,
    EL1,
    EL2,
}

impl From<ElName> for El {
    fn from(name: ElName) -> Self {
        match name {
            ElName::EL0 => Self::El0,
            ElName::EL1 => Self::El1,
            ElName::EL2 => Self::El2,
        }
    }
}

struct AtName(At);

const INSTRUCTIONS: [&str; At::ALL.len()] = {
    let mut names = [""; At::ALL.len()];
    let mut at = 0;
    while at < names.len() {
        names[at] = At::ALL[at].name();
        at += 1;
    }
    names
};

impl<'de> Deserialize<'de> for AtName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameVisitor;

        impl Visitor<'_> for NameVisitor {
            type Value = AtName;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of an AT instruction, such as S12E1R")
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<AtName, E> {
                let at = At::ALL.into_iter().find(|at| at.name() == name);
                at.map(AtName).ok_or_else(|| E::unknown_variant(name, &INSTRUCTIONS))
            }
        }

        deserializer.deserialize_str(NameVisitor)
    }
}

impl JsonSchema for AtName {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "At".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "enum": INSTRUCTIONS })
    }
}
