//! Files that are wrong, foreign, or new: each has its own answer, and none counts as agreement.

use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use vectors::{Checked, ChoicesMode, Summary, Verdict, check_reader};

/// A small vector that golden agrees with.
const GOOD: &str = r#"{"id":"v","setup":"stage2","impl":{"pa_bits":48,"features":["TTST"],"granules":["4k","16k","64k"],"choices":{"bbm_level":0,"reserved_s2_memattr":"nc"}},"flavour":"benign","registers":{"HCR_EL2":"0x1","VTCR_EL2":"0x50059","VTTBR_EL2":"0x1000"},"memory":{"0x1000":"0x7fd"},"queries":[{"op":"load","el":1,"address":"0x123","stage1_attributes":{"mair_byte":"0xff","sh":3},"expect":{"result":"ok","pa":"0x123","levels":{"s2":1},"memory_type":"normal","inner":"wb","inner_hints":"rwa","outer":"wb","outer_hints":"rwa","shareability":"ish"},"reads":["0x1000"]}]}"#;

fn check(text: &str) -> Result<(Summary, Vec<Checked>), String> {
    check_bytes(text.as_bytes())
}

fn check_bytes(bytes: &[u8]) -> Result<(Summary, Vec<Checked>), String> {
    let mut all = Vec::new();
    let summary = check_reader("f.jsonl", bytes, |checked| all.push(checked.clone()))
        .map_err(|error| error.to_string())?;
    Ok((summary, all))
}

/// The one verdict on the good vector after a change of its text.
#[track_caller]
fn verdict_with(from: &str, to: &str) -> Verdict {
    assert!(GOOD.contains(from), "{from}");
    let (summary, checked) = check(&GOOD.replace(from, to)).expect("a vector");
    assert_eq!((summary.queries(), checked.len()), (1, 1));
    checked[0].verdict.clone()
}

#[track_caller]
fn assert_not_covered(from: &str, to: &str, reason: &str) {
    assert_eq!(verdict_with(from, to), Verdict::NotCovered(reason.into()));
}

#[track_caller]
fn assert_differs(from: &str, to: &str, field: &str) {
    match verdict_with(from, to) {
        Verdict::Disagrees(difference) => {
            assert_eq!((difference.field, difference.choices), (field, ChoicesMode::Pinned));
        }
        verdict => panic!("{verdict:?}"),
    }
}

/// The error that a change of the good vector's text makes, in line 2 of a file.
#[track_caller]
fn error_with(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from}");
    check(&format!("{GOOD}\n{}\n", GOOD.replace(from, to))).expect_err("malformed")
}

#[test]
fn a_good_vector_agrees_plain_and_compressed() {
    let (summary, _) = check(GOOD).expect("a vector");
    assert_eq!((summary.vectors, summary.agreed, summary.is_all_agreed()), (1, 1, true));
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(GOOD.as_bytes()).expect("memory");
    let (summary, _) = check_bytes(&gzip.finish().expect("memory")).expect("a vector");
    assert!(summary.is_all_agreed());
}

#[test]
fn every_field_of_an_answer_counts() {
    assert_differs(r#""pa":"0x123""#, r#""pa":"0x124""#, "pa");
    assert_differs(r#"{"s2":1}"#, r#"{"s2":2}"#, "levels");
    assert_differs(r#"{"s2":1}"#, r#"{"s1":1,"s2":1}"#, "levels");
    assert_differs(r#""memory_type":"normal""#, r#""memory_type":"device-GRE""#, "memory_type");
    assert_differs(r#""inner_hints":"rwa""#, r#""inner_hints":"ra""#, "inner");
    assert_differs(r#""inner":"wb""#, r#""inner":"wb","inner_transient":true"#, "inner");
    assert_differs(r#""outer":"wb""#, r#""outer":"wt""#, "outer");
    assert_differs(r#""shareability":"ish""#, r#""shareability":"osh""#, "shareability");
    assert_differs(r#""shareability":"ish""#, r#""shareability":"ish","xs":0"#, "xs");
    assert_differs(r#""reads":["0x1000"]"#, r#""reads":[]"#, "reads");
    let after = r#""reads":["0x1000"],"memory_after":{"0x1000":"0x1"}"#;
    assert_differs(r#""reads":["0x1000"]"#, after, "memory_after");
    let flag = r#""reads":["0x1000"],"stage1_updated_before_stage2_fault":true"#;
    assert_differs(r#""reads":["0x1000"]"#, flag, "stage1_updated_before_stage2_fault");
    assert_differs(r#""0x7fd""#, r#""0x0""#, "result");
}

/// What a fault and PAR_EL1 say counts too.
#[test]
fn every_field_of_a_fault_counts() {
    let fault = r#"{"result":"fault","fault":"translation","level":1,"stage":2,"s1_walk":false,"ipa":"0x123","exception":{"target_el":2,"esr":"0x92000005","esr_mask":"0x7e0fe0027ff","far":"0x123","hpfar_el2":"0x0"}}"#;
    let start = GOOD.find(r#"{"result""#).expect("an answer");
    let end = GOOD.find(r#","reads""#).expect("reads");
    let vector = format!("{}{fault}{}", &GOOD[..start], &GOOD[end..]).replace("0x7fd", "0x0");
    assert!(check(&vector).expect("a vector").0.is_all_agreed());
    for (from, to, field) in [
        (r#""fault":"translation""#, r#""fault":"permission""#, "fault"),
        (r#""level":1"#, r#""level":2"#, "level"),
        (r#""stage":2"#, r#""stage":1"#, "stage"),
        (r#""s1_walk":false"#, r#""s1_walk":true"#, "s1_walk"),
        (r#""ipa":"0x123""#, r#""ipa":"0x124""#, "ipa"),
        (r#""target_el":2"#, r#""target_el":1"#, "target_el"),
        ("0x92000005", "0x92000006", "esr"),
        (r#""far":"0x123""#, r#""far":"0x0""#, "far"),
        (r#","hpfar_el2":"0x0""#, "", "hpfar_el2"),
    ] {
        let (_, checked) = check(&vector.replace(from, to)).expect("a vector");
        match &checked[0].verdict {
            Verdict::Disagrees(difference) => assert_eq!(difference.field, field),
            verdict => panic!("{field}: {verdict:?}"),
        }
    }
    // A mask that claims more than the architecture determines is no agreement either.
    let (_, checked) =
        check(&vector.replace("0x7e0fe0027ff", "0xffffffffffffffff")).expect("a vector");
    assert!(matches!(checked[0].verdict, Verdict::Disagrees(_)));
}

#[test]
fn what_is_not_known_is_not_covered() {
    assert_not_covered(r#""id":"v""#, r#""id":"v","mood":1"#, "unknown field mood");
    assert_not_covered(r#""pa_bits""#, r#""realm":1,"pa_bits""#, "unknown field impl.realm");
    assert_not_covered(r#""el":1"#, r#""el":1,"tag":2"#, "unknown field queries.tag");
    assert_not_covered(r#""pa":"#, r#""ns":1,"pa":"#, "unknown field queries.expect.ns");
    assert_not_covered(r#""setup":"stage2""#, r#""setup":"el3""#, "op load in setup el3");
    assert_not_covered(r#""TTST""#, r#""TTST","THE""#, "unknown feature THE");
    assert_not_covered(r#""16k""#, r#""16k","8k""#, "unknown granule 8k");
    assert_not_covered(r#""HCR_EL2""#, r#""POR_EL1""#, "unknown register POR_EL1");
    assert_not_covered(r#""op":"load""#, r#""op":"dc_zva""#, "unknown op dc_zva");
    assert_not_covered(r#""result":"ok""#, r#""result":"gpf""#, "unknown result gpf");
    assert_not_covered("reserved_s2_memattr", "reserved_moon", "unknown choice reserved_moon");
    assert_not_covered(r#""nc""#, r#""xx""#, "unknown value of choice reserved_s2_memattr: xx");
    assert_not_covered(r#""flavour""#, r#""tags":["realm"],"flavour""#, "unknown tag realm");
    assert_not_covered(r#""0xff""#, r#""0xf0""#, "reserved stage1_attributes.mair_byte");
    let (summary, _) = check(&GOOD.replace("TTST", "THE")).expect("a vector");
    assert!(!summary.is_all_agreed());
    assert_eq!(summary.not_covered["unknown feature THE"], 1);
}

#[test]
fn malformed_lines_name_their_place() {
    assert_eq!(
        error_with(r#""pa_bits":48"#, r#""pa_bits":"48""#),
        "f.jsonl:2:49: field `impl.pa_bits`: invalid type: string \"48\", expected u8"
    );
    assert_eq!(
        error_with(r#""address":"0x123""#, r#""address":"123""#),
        "f.jsonl:2:317: field `queries[0].address`: invalid value: string \"123\", expected a 64-bit hexadecimal number as a string with 0x"
    );
    assert!(error_with(r#""address":"0x123","#, "").contains("missing field `address`"));
    assert!(
        error_with(r#""pa":"0x123","#, "")
            .contains("field `queries[0].expect`: missing field `pa`")
    );
    assert!(
        error_with("0x1000\":\"0x7fd", "0x1000\":\"0x10000000000000000").contains("field `memory.")
    );
    assert!(error_with(r#"]}]}"#, r#"]}]"#).contains("f.jsonl:2:"));
    assert!(error_with(r#""el":1"#, r#""el":-1"#).contains("field `queries[0].el`"));
    assert!(check("nonsense\n").expect_err("malformed").starts_with("f.jsonl:1:"));
}

#[test]
fn damaged_files_are_errors() {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(GOOD.as_bytes()).expect("memory");
    let mut bytes = gzip.finish().expect("memory");
    bytes.truncate(bytes.len() / 2);
    assert!(check_bytes(&bytes).expect_err("truncated").starts_with("f.jsonl: line 1: "));
    assert!(check_bytes(b"\xff\xfe\n").expect_err("not text").starts_with("f.jsonl: line 1: "));
    let missing = vectors::check_file(Path::new("/no/such/file"), |_| {});
    assert!(missing.expect_err("missing").to_string().starts_with("/no/such/file: "));
    let (empty, _) = check("\n\n").expect("an empty file");
    assert_eq!((&empty, empty.is_all_agreed()), (&Summary::default(), false));
}

const HEADER: &str = "pa_bits,granule,ds,sl2,sl0,t0sz,legal,start_level,ia_bits,concatenated_tables,base_alignment,fault_reason";

#[test]
fn a_table_of_legal_configurations() {
    let rows = [
        ("48,4k,0,0,1,25,1,1,39,1,0x1000,", None),
        ("48,4k,0,0,1,25,1,1,39,2,0x1000,", Some("concatenated_tables")),
        ("48,4k,0,0,1,25,0,,,,,t0sz", Some("legal")),
        ("48,4k,0,0,1,25,1,0,39,1,0x1000,", Some("start_level")),
        ("48,4k,0,0,1,25,1,1,40,1,0x1000,", Some("ia_bits")),
        ("48,4k,0,0,1,25,1,1,39,1,0x2000,", Some("base_alignment")),
        ("48,4k,0,0,1,15,0,,,,,start_level_invalid", Some("fault_reason")),
    ];
    for (row, field) in rows {
        let (_, checked) = check(&format!("{HEADER}\n{row}\n")).expect("a table");
        match (&checked[0].verdict, field) {
            (Verdict::Agrees, None) => {}
            (Verdict::Disagrees(difference), Some(field)) => assert_eq!(difference.field, field),
            verdict => panic!("{row}: {verdict:?}"),
        }
    }
    for (row, place) in [
        ("48,4k,0,0,1", "1:1: field `.`"),
        ("48,8k,0,0,1,25,1,1,39,1,0x1000,", "1:4: field `granule`"),
        ("48,4k,0,0,4,25,1,1,39,1,0x1000,", "1:11: field `sl0`"),
    ] {
        let error = check(&format!("{HEADER}\n{row}\n")).expect_err("malformed");
        assert!(error.starts_with(&format!("f.jsonl:2:{}", &place[2..])), "{error}");
    }
}
