//! The walls between kinds, and below them, read from the sources.

use std::fs;
use std::path::{Path, PathBuf};

use regex::bytes::Regex;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// All source files in `folder`, or the one file `folder`.
fn sources(folder: &Path) -> Vec<PathBuf> {
    if folder.is_file() {
        return vec![folder.to_owned()];
    }
    let entries = fs::read_dir(folder).expect("the sources are there");
    entries.flat_map(|entry| sources(&entry.expect("an entry").path())).collect()
}

/// The modules beside this one, with their files.
fn kinds() -> Vec<(String, Vec<PathBuf>)> {
    let entries = fs::read_dir(root().join("kind")).expect("the kinds are there");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let kinds = paths.filter_map(|path| {
        let name = path.file_stem()?.to_str()?.to_owned();
        (name != "mod" && name != "walls").then(|| (name, sources(&path)))
    });
    kinds.collect()
}

/// The statements of `file` in which a path leads to the module `kind` of a kind.
fn mentions(file: &Path, kind: &str) -> Vec<String> {
    let path = format!(r"(?-u)\b(kind|super)::(\{{.*)?\b{kind}\b");
    let path = Regex::new(&path).expect("it is sound");
    let text = fs::read_to_string(file).expect("a source is text");
    let code = text.lines().map(str::trim).filter(|line| !line.starts_with("//"));
    let code = code.collect::<Vec<_>>().join(" ");
    let naming = code.split(';').filter(|statement| path.is_match(statement.as_bytes()));
    naming.map(|statement| format!("{}: {}", file.display(), statement.trim())).collect()
}

#[test]
fn no_kind_imports_another() {
    let kinds = kinds();
    assert!(kinds.len() >= 4, "{kinds:?}");
    for (name, files) in &kinds {
        for (other, _) in kinds.iter().filter(|(other, _)| other != name) {
            let wrong: Vec<_> = files.iter().flat_map(|file| mentions(file, other)).collect();
            assert!(wrong.is_empty(), "{name} imports {other}:\n{}", wrong.join("\n"));
        }
    }
}

#[test]
fn what_kinds_share_knows_none_of_them() {
    let kinds = kinds();
    let below = sources(&root()).into_iter().filter(|file| !file.starts_with(root().join("kind")));
    for file in below {
        for (kind, _) in &kinds {
            let wrong = mentions(&file, kind);
            assert!(wrong.is_empty(), "shared code knows {kind}:\n{}", wrong.join("\n"));
        }
    }
}
