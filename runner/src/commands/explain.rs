//! `hypwalk explain`: an annotated walk.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::exit::Exit;
use crate::explain::{ExplainFile, MOST_OUTCOMES, Scene, story};
use crate::failure::Failure;
use crate::output::print;

/// Explain walks: each step, with the rule that decides it.
///
/// The registers, the memory and the questions come from a YAML file, or from a test vector. Each step of
/// the reference walker is told with the pseudocode function behind it, descriptors are drawn, and so is PAR_EL1
/// or ESR_ELx in the end. Where the architecture leaves open how it ends, the other outcomes are listed, with the
/// choices behind each.
#[derive(Debug, Args)]
pub struct Explain {
    /// The file.
    #[arg(required_unless_present = "vector", conflicts_with = "vector")]
    file: Option<PathBuf>,
    /// A test vector: a file of vectors, and the name of one in it.
    #[arg(long, value_name = "FILE:ID")]
    vector: Option<String>,
    /// List all outcomes, and not only the first few.
    #[arg(long)]
    all: bool,
}

impl Explain {
    /// Does it.
    pub fn run(self) -> Result<Exit, Failure> {
        let most = if self.all { usize::MAX } else { MOST_OUTCOMES };
        match (&self.file, &self.vector) {
            (Some(file), _) => explain_file(file, most)?,
            (None, Some(vector)) => explain_vector(vector, most)?,
            (None, None) => return Err(Failure::new(Exit::Usage, "a file is missing")),
        }
        Ok(Exit::Conforms)
    }
}

fn explain_file(file: &Path, most: usize) -> Result<(), Failure> {
    let ExplainFile { scene, questions } = ExplainFile::read(file)?;
    for (number, question) in questions.iter().enumerate() {
        begin(number)?;
        print(story(&scene, question, most))?;
    }
    Ok(())
}

fn explain_vector(vector: &str, most: usize) -> Result<(), Failure> {
    let Some((file, id)) = vector.rsplit_once(':').filter(|(_, id)| !id.is_empty()) else {
        let error = format!("`{vector}` does not name a vector");
        return Err(Failure::new(Exit::Usage, error).help("write FILE:ID"));
    };
    let found = vectors::find(Path::new(file), id).map_err(|error| {
        Failure::new(Exit::Usage, error).help("name a file of test vectors, a whole one")
    })?;
    let Some(example) = found else {
        return Err(Failure::new(Exit::Usage, format!("{file} has no vector {id}")));
    };
    let example = example.map_err(|reason| {
        Failure::new(Exit::Usage, format!("{id} is not covered here: {reason}"))
    })?;
    let scene = Scene::from(&example);
    for (number, (question, expected)) in example.queries.iter().enumerate() {
        begin(number)?;
        match question {
            Ok(question) => {
                print(story(&scene, question, most))?;
                print(format_args!("  the vector expects {expected}\n"))?;
            }
            Err(reason) => print(format_args!("not covered here: {reason}\n"))?,
        }
    }
    Ok(())
}

fn begin(number: usize) -> Result<(), Failure> {
    let space = if number == 0 { "" } else { "\n" };
    print(format_args!("{space}query {number}: "))
}
