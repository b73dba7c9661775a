//! The modules of the executor use each other in one direction: the modules below one parent, each with all that is
//! below it, form no circle. A parent and its own children may use each other.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A module, as the names that lead to it from the crate's root.
type Module = Vec<String>;

/// For each module, those that its source names.
type Uses = BTreeMap<Module, BTreeSet<Module>>;

#[test]
fn no_modules_use_each_other_in_a_circle() {
    let files = sources();
    assert!(files.len() > 50, "the sources are where they were: {} files", files.len());
    let known: BTreeSet<Module> = files.iter().map(|(module, _)| module.clone()).collect();
    let uses: Uses =
        files.iter().map(|(module, text)| (module.clone(), used(module, text, &known))).collect();
    let edges: usize = uses.values().map(BTreeSet::len).sum();
    assert!(edges > 150, "uses are found: {edges}");

    let parents: BTreeSet<&[String]> =
        known.iter().filter_map(|module| module.split_last()).map(|(_, parent)| parent).collect();
    let circles: Vec<_> =
        parents.iter().filter_map(|parent| circle(&below(parent, &uses))).collect();
    assert!(circles.is_empty(), "{circles:#?}");
}

#[test]
fn a_circle_is_found() {
    let known: BTreeSet<Module> = ["a", "b", "b::c", "d"].iter().map(|path| module(path)).collect();
    let texts = [
        ("a", "use crate::{b::c::Thing, d};"),
        ("b", "mod c;\nuse c::Other; // use crate::a"),
        ("b::c", "fn f() { super::super::d::g() }"),
        ("d", "use crate::d;"),
    ];
    let with = |path: &str, more: &str| -> Uses {
        let text =
            |at: &str, text: &str| if at == path { format!("{text}\n{more}") } else { text.into() };
        texts
            .iter()
            .map(|(at, source)| (module(at), used(&module(at), &text(at, source), &known)))
            .collect()
    };
    assert_eq!(with("", "")[&module("a")], [module("b::c"), module("d")].into());
    assert_eq!(with("", "")[&module("b")], [module("b::c")].into());
    assert_eq!(circle(&below(&[], &with("", ""))), None);
    let circle = circle(&below(&[], &with("d", "fn f() -> crate::a::Thing {}"))).expect("a circle");
    assert_eq!(circle.iter().collect::<BTreeSet<_>>().len(), 3, "{circle:?}");
}

/// The source of each module: without comments, and without the tests at its end.
fn sources() -> Vec<(Module, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![root.clone()];
    let mut files: Vec<PathBuf> = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder of the sources") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    let named = files.into_iter().filter_map(|path| {
        let text = fs::read_to_string(&path).expect("a source");
        let path = path.strip_prefix(&root).expect("below the root").with_extension("");
        let mut module: Module = path.iter().map(|name| name.to_string_lossy().into()).collect();
        module.pop_if(|name| ["mod", "lib", "main"].contains(&name.as_str()));
        (!module.is_empty()).then_some((module, text))
    });
    named.collect()
}

/// The modules among `known`, beside itself, that the source `text` of `module` names.
fn used(module: &[String], text: &str, known: &BTreeSet<Module>) -> BTreeSet<Module> {
    let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let lines = code.lines().map(|line| line.split("//").next().unwrap_or_default());
    let code: Vec<&str> = lines.collect();
    let mut found = BTreeSet::new();
    for path in paths(&code.join("\n")) {
        let names: Vec<&str> = path.split("::").collect();
        let mut full: Module = match names[0] {
            "crate" | "executor" => Vec::new(),
            "self" => module.to_vec(),
            "super" => module[..module.len() - 1].to_vec(),
            // A child's name, or one from elsewhere.
            name => [module, &[name.into()]].concat(),
        };
        for name in &names[1..] {
            if *name == "super" {
                full.pop();
            } else {
                full.push((*name).into());
            }
        }
        while !full.is_empty() && !known.contains(&full) {
            full.pop();
        }
        if !full.is_empty() && full != module {
            found.insert(full);
        }
    }
    found
}

/// All paths in `code` with more than one name, those of braces spelled out.
fn paths(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    // What stands before each open brace of a path; nothing for a brace of another kind.
    let mut prefixes: Vec<String> = Vec::new();
    let mut path = String::new();
    let mut end = |path: &mut String, prefixes: &[String]| {
        let full = prefixes.concat() + path;
        if full.contains("::") && !path.is_empty() {
            found.push(full);
        }
        path.clear();
    };
    let mut rest = code;
    while let Some(letter) = rest.chars().next() {
        let mut length = letter.len_utf8();
        if letter.is_alphanumeric() || letter == '_' {
            path.push(letter);
        } else if rest.starts_with("::") {
            path.push_str("::");
            length = 2;
        } else if letter == '{' && path.ends_with("::") {
            prefixes.push(std::mem::take(&mut path));
        } else if letter == '}' && !prefixes.is_empty() {
            end(&mut path, &prefixes);
            prefixes.pop();
        } else {
            end(&mut path, &prefixes);
        }
        rest = &rest[length..];
    }
    end(&mut path, &prefixes);
    found
}

/// Which children of `parent` use which others, each with all that is below it.
fn below(parent: &[String], uses: &Uses) -> BTreeMap<String, BTreeSet<String>> {
    let child = |module: &Module| module.strip_prefix(parent)?.first().cloned();
    let mut graph: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (module, others) in uses {
        let Some(from) = child(module) else { continue };
        let others = others.iter().filter_map(child).filter(|to| *to != from);
        graph.entry(from.clone()).or_default().extend(others);
    }
    graph
}

/// Names that each use the next, and the last one the first; `None` where there are none.
fn circle(graph: &BTreeMap<String, BTreeSet<String>>) -> Option<Vec<String>> {
    // What uses nothing that is left goes, again and again: what stays leads to a circle.
    let mut left: BTreeSet<&String> = graph.keys().collect();
    loop {
        let before = left.len();
        let uses_any = |name: &&String| graph[*name].iter().any(|other| left.contains(other));
        left = left.iter().copied().filter(uses_any).collect();
        if left.len() == before {
            break;
        }
    }
    let mut way = vec![*left.first()?];
    loop {
        let next = graph[*way.last()?].iter().find(|other| left.contains(other))?;
        if let Some(at) = way.iter().position(|name| *name == next) {
            return Some(way[at..].iter().map(|name| (*name).clone()).collect());
        }
        way.push(next);
    }
}

fn module(path: &str) -> Module {
    path.split("::").map(Into::into).collect()
}
