//! The JSON Schemas in the repository are those of the types.

use std::path::Path;

use runner::commands::schema::Kind;

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
        let file = format!("{}/../suites/schema/{name}.json", env!("CARGO_MANIFEST_DIR"));
        let kept = std::fs::read_to_string(Path::new(&file)).unwrap_or_default();
        assert!(
            kept == kind.schema(),
            "suites/schema/{name}.json is old: hypwalk schema {name} > suites/schema/{name}.json"
        );
    }
}
