//! Vectors in golden's terms: one by its name, or all of a file.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufRead as _;
use std::path::Path;

use golden::{Implementation, Profile, Registers};

use crate::Error;
use crate::open;
use crate::question::Question;
use crate::schema::{Query, Refused, Vector, parse};
use crate::setup::Setup;

/// A vector in golden's terms.
#[derive(Clone, Debug)]
pub struct Example {
    /// What the PE implements.
    pub implementation: Implementation,
    /// Its registers.
    pub registers: Registers,
    /// Words of memory by address; all others are zero.
    pub memory: BTreeMap<u64, u64>,
    /// The choices as the vector settles them.
    pub profile: Profile,
    /// The queries in order, each with the answer that the vector expects, in JSON. In the place of a query
    /// that holds what is not known here stands the reason.
    pub queries: Vec<(Result<Question, String>, String)>,
}

/// Looks for the vector named `id` in a file, gzip-compressed or plain. `None` if the file does not have it; a
/// reason if it holds something that is not known here.
///
/// # Errors
/// The file can't be read, or what is called so is not a vector.
pub fn find(path: &Path, id: &str) -> Result<Option<Result<Example, String>>, Error> {
    for numbered in lines(path)? {
        let (number, line) = numbered?;
        if !line.contains(id) {
            continue;
        }
        match example(&line, Some(id)) {
            Ok(None) => {}
            Ok(Some(found)) => return Ok(Some(Ok(found))),
            Err(Refused::Unknown(reason)) => return Ok(Some(Err(reason))),
            Err(Refused::Malformed(malformed)) => {
                return Err(malformed.at(&path.display().to_string(), number));
            }
        }
    }
    Ok(None)
}

/// The lines of a file, gzip-compressed or plain, with their numbers from 1 on.
fn lines(path: &Path) -> Result<impl Iterator<Item = Result<(u64, String), Error>>, Error> {
    let name = path.display().to_string();
    let io = move |line| {
        let file = name.clone();
        move |source| Error::Io { file, line, source }
    };
    let file = File::open(path).map_err(io(0))?;
    let lines = (1..).zip(open(&path.display().to_string(), file)?.lines());
    Ok(lines.map(move |(number, line)| Ok((number, line.map_err(io(number))?))))
}

/// Hands every vector of a file, gzip-compressed or plain, to `each`, but for those that hold what is not known here.
///
/// # Errors
/// The file can't be read, or a line of it is not a vector.
pub fn each(path: &Path, mut each: impl FnMut(Example)) -> Result<(), Error> {
    for numbered in lines(path)? {
        let (number, line) = numbered?;
        match example(&line, None) {
            Ok(found) => found.into_iter().for_each(&mut each),
            Err(Refused::Unknown(_)) => {}
            Err(Refused::Malformed(malformed)) => {
                return Err(malformed.at(&path.display().to_string(), number));
            }
        }
    }
    Ok(())
}

/// The vector of this line, if it has this name or none is asked for.
fn example(line: &str, id: Option<&str>) -> Result<Option<Example>, Refused> {
    let vector: Vector<'_> = parse(line, 0, "")?;
    if id.is_some_and(|id| vector.id != id) {
        return Ok(None);
    }
    let setup = Setup::new(&vector).map_err(Refused::Unknown)?;
    let mut queries = Vec::with_capacity(vector.queries.len());
    for (n, raw) in vector.queries.iter().enumerate() {
        let query = parse::<Query<'_>>(raw.get(), 0, &format!("queries[{n}]"));
        let asked = query.and_then(|query| {
            let question = Question::new(&vector.setup, &setup.implementation, &query)?;
            Ok((Ok(question), query.expect.get().to_owned()))
        });
        queries.push(match asked {
            Ok(asked) => asked,
            Err(Refused::Unknown(reason)) => (Err(reason), String::new()),
            Err(malformed @ Refused::Malformed(_)) => return Err(malformed),
        });
    }
    let Setup { implementation, registers, memory, pinned } = setup;
    Ok(Some(Example { implementation, registers, memory: memory.0, profile: pinned, queries }))
}
