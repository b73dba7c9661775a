//! Where the source of the payload is.

use std::env;
use std::path::{Path, PathBuf};

use super::error::PayloadError;

/// What is there in the root of a source tree of Hypwalk.
const MARK: &str = "payloads/executor/Cargo.toml";

/// The root of the source tree: where `HYPWALK_SOURCE` says, else where this runner was built from,
/// else the current directory or one above it.
pub fn root() -> Result<PathBuf, PayloadError> {
    if let Some(named) = env::var_os("HYPWALK_SOURCE") {
        return first([PathBuf::from(named)]);
    }
    let built_from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let current = env::current_dir().unwrap_or_default();
    let above = current.ancestors().map(Path::to_owned);
    first(std::iter::once(built_from).chain(above))
}

/// The first of `places` that is a source tree.
fn first(places: impl IntoIterator<Item = PathBuf>) -> Result<PathBuf, PayloadError> {
    let mut looked = Vec::new();
    for place in places {
        if place.join(MARK).is_file() {
            return Ok(place.canonicalize().unwrap_or(place));
        }
        looked.push(place.display().to_string());
    }
    Err(PayloadError::NoSource { looked })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_that_this_was_built_from_is_found() {
        let root = root().expect("the tests run in the source tree");
        assert!(root.join("runner/payload/src").is_dir());
    }

    #[test]
    fn every_place_that_was_looked_at_is_told() {
        let places = ["/nowhere/a", "/nowhere/b"].map(PathBuf::from);
        let message = first(places).expect_err("nothing is there").to_string();
        assert!(message.contains("/nowhere/a, /nowhere/b"), "{message}");
        assert!(message.contains("HYPWALK_SOURCE"), "{message}");
    }
}
