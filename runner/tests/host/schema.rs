//! The JSON Schemas in the repository, and the tables of its README, are those of the types.

use runner::commands::schema::FileKind;
use serde_json::Value;

use crate::common::shipped::suites;

#[test]
fn schemas_in_the_repository_are_current() {
    let kinds = [
        (FileKind::Suite, "suite"),
        (FileKind::Target, "target"),
        (FileKind::Case, "case"),
        (FileKind::Errata, "errata"),
        (FileKind::Explain, "explain"),
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

/// A row of the table of a space in suites/README.md: key, values, meaning and default.
fn row(schema: &Value, key: &str, property: &Value) -> String {
    let description = property["description"].as_str().unwrap().replace('\n', " ");
    let (meaning, default) = description.split_once(" Default: ").unwrap();
    let (first, rest) = meaning.split_at(1);
    let meaning = format!("{}{}", first.to_lowercase(), rest.trim_end_matches('.'));
    let default = default.trim_end_matches('.');
    format!("| `{key}` | {} | {meaning} | {default} |", values(schema, property))
}

/// What a schema accepts, in words.
fn values(schema: &Value, property: &Value) -> String {
    if let Some(name) = property["$ref"].as_str() {
        let weights = schema.pointer(&name[1..]).unwrap()["properties"].as_object().unwrap();
        let names: Vec<_> = weights.keys().map(|name| format!("`{name}`")).collect();
        let weight = weights.values().next().unwrap();
        return format!("weights of {}, {}", names.join(", "), values(schema, weight));
    }
    if let [value, other] = property["anyOf"].as_array().map_or(&[][..], |any| any) {
        let value = values(schema, value);
        return match other["type"].as_str() {
            Some("string") => format!("a number or a range, {value}"),
            Some("array") => value.replace("a number or a range", "a number, a range or a list"),
            _ => value,
        };
    }
    format!("{} to {}", property["minimum"], property["maximum"])
}

#[test]
fn the_readme_tells_every_key_of_a_space() {
    let file = format!("{}/../suites/README.md", env!("CARGO_MANIFEST_DIR"));
    let readme = std::fs::read_to_string(file).unwrap();
    let schema: Value = serde_json::from_str(&FileKind::Suite.schema()).unwrap();
    let titles = [
        ("Space", "### Space\n"),
        ("HypSpace", "The space of `hyp` and `placements`:\n"),
        ("GuestSpace", "The space of `guest` and `tlbi`:\n"),
    ];
    for (space, title) in titles {
        let (_, below) = readme.split_once(title).unwrap();
        let table = below.trim_start().lines().take_while(|line| line.starts_with('|'));
        let mut told: Vec<_> = table.skip(2).collect();
        told.sort_unstable();
        let properties = schema["$defs"][space]["properties"].as_object().unwrap();
        let mut wanted: Vec<_> =
            properties.iter().map(|(key, property)| row(&schema, key, property)).collect();
        wanted.sort_unstable();
        let wanted = wanted.join("\n");
        assert_eq!(told.join("\n"), wanted, "suites/README.md must have these rows:\n{wanted}\n");
    }
}
