//! The table of legal stage 2 configurations.

use golden::{
    Answer, Choice, Features, Granule, Implementation, Profile, Registers, Rule, Stage2Params,
};

use crate::error::Malformed;
use crate::{Checked, ChoicesMode, Disagreement, Verdict};

/// The first line of the table.
pub const HEADER: &str = "pa_bits,granule,ds,sl2,sl0,t0sz,legal,start_level,ia_bits,concatenated_tables,base_alignment,fault_reason";

/// What the table tells about a configuration.
#[derive(Debug, PartialEq, Eq)]
struct Answers<'a> {
    legal: &'a str,
    start_level: String,
    ia_bits: String,
    concatenated_tables: String,
    base_alignment: String,
    fault_reason: &'a str,
}

/// Checks one row.
pub fn check(row: &str) -> Result<Checked, Malformed> {
    let columns: Vec<&str> = row.trim_end().split(',').collect();
    let names: Vec<&str> = HEADER.split(',').collect();
    if columns.len() != names.len() {
        let reason = format!("{} columns where there should be {}", columns.len(), names.len());
        return Err(Malformed { column: 1, field: ".".into(), reason });
    }
    let malformed = |n: usize, reason: &str| Malformed {
        column: columns[..n].iter().map(|column| column.len() + 1).sum::<usize>() + 1,
        field: names[n].into(),
        reason: reason.into(),
    };
    let number = |n: usize, max: u64| {
        columns[n]
            .parse::<u64>()
            .ok()
            .filter(|&number| number <= max)
            .ok_or_else(|| malformed(n, &format!("not a number of at most {max}")))
    };
    let (granule, tg0) = match columns[1] {
        "4k" => (Granule::K4, 0b00),
        "16k" => (Granule::K16, 0b10),
        "64k" => (Granule::K64, 0b01),
        _ => return Err(malformed(1, "not a granule")),
    };
    let vtcr = number(5, 63)?
        | number(4, 3)? << 6
        | tg0 << 14
        | PS_52 << 16
        | number(2, 1)? << 32
        | number(3, 1)? << 33;
    let expected = Answers {
        legal: columns[6],
        start_level: columns[7].into(),
        ia_bits: columns[8].into(),
        concatenated_tables: columns[9].into(),
        base_alignment: columns[10].into(),
        fault_reason: columns[11],
    };

    let features = Features::FEAT_LPA.with(Features::FEAT_LPA2).with(Features::FEAT_TTST);
    let implementation = Implementation::new(number(0, 52)? as u8, features);
    let registers = Registers { vtcr_el2: vtcr, ..Registers::default() };
    let mut profile = Profile::pseudocode();
    profile.settle(Choice::TxszBelowMin, Answer(0));
    let got = answers(&Stage2Params::resolve(&implementation, &registers, &mut profile), granule);

    let verdict = first_difference(&expected, &got).map_or(Verdict::Agrees, Verdict::Disagrees);
    Ok(Checked { id: columns[..6].join(","), query: 0, verdict })
}

const PS_52: u64 = 0b110;

fn answers(resolved: &Result<Stage2Params, Rule>, granule: Granule) -> Answers<'static> {
    match resolved {
        Ok(params) => {
            assert_eq!(params.format.granule, granule, "TG0 selects the granule");
            Answers {
                legal: "1",
                start_level: params.format.start.to_string(),
                ia_bits: params.format.ia_bits.to_string(),
                concatenated_tables: params.concatenated_tables().to_string(),
                base_alignment: format!("{:#x}", params.base_alignment()),
                fault_reason: "",
            }
        }
        Err(rule) => Answers {
            legal: "0",
            start_level: String::new(),
            ia_bits: String::new(),
            concatenated_tables: String::new(),
            base_alignment: String::new(),
            fault_reason: match rule {
                Rule::Stage2Txsz => "t0sz",
                Rule::InvalidStartLevel => "start_level_invalid",
                Rule::InconsistentStartLevel => "start_level_inconsistent",
                _ => "other",
            },
        },
    }
}

fn first_difference(expected: &Answers<'_>, got: &Answers<'_>) -> Option<Disagreement> {
    let fields: [(&'static str, &str, &str); 6] = [
        ("legal", expected.legal, got.legal),
        ("fault_reason", expected.fault_reason, got.fault_reason),
        ("start_level", &expected.start_level, &got.start_level),
        ("ia_bits", &expected.ia_bits, &got.ia_bits),
        ("concatenated_tables", &expected.concatenated_tables, &got.concatenated_tables),
        ("base_alignment", &expected.base_alignment, &got.base_alignment),
    ];
    fields.into_iter().find(|(_, expected, got)| expected != got).map(|(field, expected, got)| {
        Disagreement {
            field,
            expected: expected.to_owned(),
            got: got.to_owned(),
            choices: ChoicesMode::Pinned,
        }
    })
}
