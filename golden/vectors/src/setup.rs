//! A vector's set-up in golden's terms.

use std::collections::BTreeMap;

use golden::{
    Choice, Features, Granule, GroupInspection, Implementation, Pa, PhysicalMemory, Profile,
    Refusal, Registers, Support,
};

use crate::schema::{Hex, Setting, Vector};

/// What a vector's queries have in common.
pub struct Setup {
    pub implementation: Implementation,
    pub registers: Registers,
    pub memory: Words,
    /// The choices as the vector settles them.
    pub pinned: Profile,
}

/// Physical memory that is zero where a vector does not list it.
pub struct Words(pub BTreeMap<u64, u64>);

impl PhysicalMemory for Words {
    fn read(&self, pa: Pa) -> Result<u64, Refusal> {
        Ok(self.0.get(&pa.0).copied().unwrap_or(0))
    }
}

impl Setup {
    /// The set-up of a vector, or what in it is not known here.
    pub fn new(vector: &Vector<'_>) -> Result<Self, String> {
        if let Some(tag) = vector.tags.iter().find(|tag| !KNOWN_TAGS.contains(&tag.as_str())) {
            return Err(format!("unknown tag {tag}"));
        }
        let (pinned, bbm_level) = profile(&vector.implementation.choices)?;
        Ok(Self {
            implementation: implementation(vector, bbm_level)?,
            registers: registers(&vector.registers)?,
            memory: Words(vector.memory.iter().map(|(&Hex(pa), &Hex(word))| (pa, word)).collect()),
            pinned,
        })
    }
}

const KNOWN_TAGS: [&str; 5] = [
    "big_endian_tables",
    "lpa_differs_from_pa_bits",
    "misaligned_table_base",
    "contiguous_misaligned_oa",
    "nv",
];

fn implementation(vector: &Vector<'_>, bbm_level: u8) -> Result<Implementation, String> {
    // The vectors ask AT S1E1RP and AT S1E1WP of every PE, and let unaligned atomics through to the
    // translation. They have no names for these features.
    let mut features = Features::FEAT_PAN2.with(Features::FEAT_LSE2);
    for name in &vector.implementation.features {
        let feature = match name.as_str() {
            // Both halves of it, in the vectors' words.
            "HAFDBS" => Features::FEAT_HAFDBS.with(Features::FEAT_HAFDBS_DBS),
            name => Features::named(&format!("FEAT_{name}"))
                .ok_or_else(|| format!("unknown feature {name}"))?,
        };
        features = features.with(feature);
    }
    let mut implementation = Implementation::new(vector.implementation.pa_bits, features);
    implementation.bbm_level = bbm_level;

    let mut granules = implementation.stage1_granules;
    for (name, granule) in [("4k", Granule::K4), ("16k", Granule::K16), ("64k", Granule::K64)] {
        if !vector.implementation.granules.iter().any(|known| known == name) {
            granules = granules.with(granule, Support::Absent);
        }
    }
    if let Some(name) = vector
        .implementation
        .granules
        .iter()
        .find(|name| !["4k", "16k", "64k"].contains(&name.as_str()))
    {
        return Err(format!("unknown granule {name}"));
    }
    implementation.stage1_granules = granules;
    implementation.stage2_granules = granules;
    Ok(implementation)
}

fn registers(listed: &BTreeMap<String, Hex>) -> Result<Registers, String> {
    let mut registers = Registers::default();
    for (name, &Hex(value)) in listed {
        *registers
            .named_mut(&name.to_ascii_uppercase())
            .ok_or_else(|| format!("unknown register {name}"))? = value;
    }
    Ok(registers)
}

/// The profile that a vector's choices make, and the level of block translation change support, which the
/// vectors list among them. Choices that the vectors do not name are as in the pseudocode.
fn profile(settings: &BTreeMap<String, Setting>) -> Result<(Profile, u8), String> {
    let mut profile = Profile::pseudocode();
    let mut bbm_level = 0;
    for (name, setting) in settings {
        if let ("bbm_level", &Setting::Number(level @ 0..=2)) = (name.as_str(), setting) {
            bbm_level = level as u8;
            continue;
        }
        let answer_name = match setting {
            Setting::Bool(value) => value.to_string(),
            Setting::Number(value) => value.to_string(),
            Setting::Name(name) => name.clone(),
        };
        let choices = match name.as_str() {
            "unsupported_granule_acts_as" => {
                vec![Choice::Tg0ActsAs, Choice::Tg1ActsAs, Choice::VtcrTg0ActsAs]
            }
            name => vec![Choice::named(name).ok_or_else(|| format!("unknown choice {name}"))?],
        };
        for choice in choices {
            let answer = choice
                .answer_named(&answer_name)
                .ok_or_else(|| format!("unknown value of choice {name}: {answer_name}"))?;
            profile.settle(choice, answer);
        }
    }
    Ok((profile.with_group_inspection(GroupInspection::Never), bbm_level))
}
