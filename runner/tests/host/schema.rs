//! The JSON Schemas in the repository are those of the types.

use runner::commands::schema::Kind;

use crate::common::shipped::suites;

#[test]
fn schemas_in_the_repository_are_current() {
    let kinds = [
        (Kind::Suite, "suite"),
        (Kind::Target, "target"),
        (Kind::Case, "case"),
        (Kind::KnownIssues, "known-issues"),
        (Kind::Explain, "explain"),
    ];
    for (kind, name) in kinds {
        let file = suites().join("schema").join(name).with_extension("json");
        let kept = std::fs::read_to_string(file).unwrap_or_default();
        assert!(
            kept == kind.schema(),
            "suites/schema/{name}.json is old: hypwalk schema {name} > suites/schema/{name}.json"
        );
    }
}
