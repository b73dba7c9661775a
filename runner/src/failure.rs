//! What a command says when it can't do what it was asked.

use std::error::Error;
use std::fmt;
use std::io::ErrorKind;
use std::path::Path;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use device::TargetError;
use device::description::DescriptionError;
use judge::known::KnownError;
use suite::SuiteError;
use suite::case_file::CaseFileError;
use suite::yaml::YamlError;

use crate::exit::Exit;
use crate::explain::ExplainFileError;
use crate::record::RunError;
use crate::record::merge::MergeError;
use crate::record::redraw::RedrawError;
use crate::record::resume::ResumeError;
use crate::report::html::PageError;
use crate::trial::TrialError;

/// Why a command can't do what it was asked: an error with its causes, the place in a file, and what
/// to do about it.
#[derive(Debug)]
pub struct Failure {
    /// How the program ends.
    pub exit: Exit,
    error: Box<dyn Error + Send + Sync>,
    /// Where in a file it is.
    place: Option<Box<YamlError>>,
    help: Option<String>,
}

impl Failure {
    /// A failure for which no more is known than the error.
    pub fn new(exit: Exit, error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { exit, error: error.into(), place: None, help: None }
    }

    /// The same, about `file`.
    #[must_use]
    pub fn of(self, file: &Path) -> Self {
        let error = format!("{}: {}", file.display(), self.error);
        Self { error: error.into(), ..self }
    }

    /// With a remedy.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl Failure {
    /// The failure for a terminal, with its colours.
    ///
    /// ```text
    /// error: 60 is out of range: it must be from 16 to 52
    ///  --> suites/a.yaml:5:17
    ///   |
    /// 5 |       ipa_bits: 60
    ///   |                 ^^
    ///   |
    ///   = help: hypwalk schema suite
    /// ```
    pub fn styled(&self) -> String {
        self.rendered(&Renderer::styled())
    }

    fn rendered(&self, renderer: &Renderer) -> String {
        let said = match &self.place {
            Some(place) => place.problem.clone(),
            None => self.error.to_string(),
        };
        let causes = self.causes(&self.error.to_string());
        let path = self.place.as_ref().map(|place| place.file.display().to_string());
        let mut report = Group::with_title(Level::ERROR.primary_title(&*said));
        if let (Some(place), Some(path)) = (&self.place, &path) {
            let annotation = AnnotationKind::Primary.span(place.span.clone());
            report =
                report.element(Snippet::source(&*place.text).path(path).annotation(annotation));
        }
        for cause in &causes {
            report = report.element(Level::NOTE.with_name("because").message(&**cause));
        }
        if let Some(help) = &self.help {
            report = report.element(Level::HELP.message(&**help));
        }
        let renderer = renderer.clone().decor_style(DecorStyle::Ascii).term_width(120);
        renderer.render(&[report]) + "\n"
    }

    /// The causes of the error that `said` this, as far as it does not say them itself.
    fn causes(&self, said: &str) -> Vec<String> {
        let sources = std::iter::successors(self.error.source(), |&error| error.source());
        sources.map(ToString::to_string).filter(|cause| !said.contains(cause)).collect()
    }
}

impl fmt::Display for Failure {
    /// As [`Failure::styled`], without colours.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rendered(&Renderer::plain()))
    }
}

impl From<YamlError> for Failure {
    fn from(error: YamlError) -> Self {
        let place = Some(Box::new(error.clone()));
        Self { place, ..Self::new(Exit::Usage, error) }
    }
}

impl From<SuiteError> for Failure {
    fn from(error: SuiteError) -> Self {
        match error {
            SuiteError::Yaml(error) => {
                Self::from(error).help("suites/README.md describes what a suite can say")
            }
            error @ SuiteError::Unreadable { .. } => Self::new(Exit::Usage, error),
        }
    }
}

impl From<CaseFileError> for Failure {
    fn from(error: CaseFileError) -> Self {
        match error {
            CaseFileError::Yaml(error) => {
                Self::from(error).help("`hypwalk schema case` tells what a case file can say")
            }
            error @ CaseFileError::Unreadable { .. } => Self::new(Exit::Usage, error),
        }
    }
}

impl From<ExplainFileError> for Failure {
    fn from(error: ExplainFileError) -> Self {
        match error {
            ExplainFileError::Yaml(error) => {
                Self::from(error).help("`hypwalk schema explain` tells what such a file can say")
            }
            error @ ExplainFileError::Unreadable { .. } => Self::new(Exit::Usage, error),
        }
    }
}

impl From<KnownError> for Failure {
    fn from(error: KnownError) -> Self {
        match error {
            KnownError::Yaml(error) => {
                Self::from(error).help("suites/README.md tells what a file of errata says")
            }
            error @ KnownError::Unreadable { .. } => Self::new(Exit::Usage, error),
        }
    }
}

impl From<TrialError> for Failure {
    fn from(error: TrialError) -> Self {
        match error {
            TrialError::Reproducer(error) => error.into(),
            TrialError::Campaign(error) => error.into(),
            error @ TrialError::Interrupted => Self::new(Exit::Interrupted, error),
        }
    }
}

impl From<TargetError> for Failure {
    fn from(error: TargetError) -> Self {
        match error {
            TargetError::Description(DescriptionError::Yaml(error)) => {
                Self::from(error).help("`hypwalk schema target` tells what a target file can say")
            }
            error @ TargetError::Description(_) => Self::new(Exit::Usage, error),
            error => Self::new(Exit::Target, error),
        }
    }
}

impl From<RedrawError> for Failure {
    fn from(error: RedrawError) -> Self {
        match error {
            RedrawError::Suite(error) => error.into(),
            error @ RedrawError::Generators { .. } => {
                Self::new(Exit::Usage, error).help("replay a file of its repro folder")
            }
            error @ RedrawError::MemoryMap { .. } => Self::new(Exit::Results, error),
            error => Self::new(Exit::Usage, error),
        }
    }
}

impl From<ResumeError> for Failure {
    fn from(error: ResumeError) -> Self {
        match error {
            ResumeError::Run(error) => error.into(),
            error @ ResumeError::Version { .. } => {
                Self::new(Exit::Usage, error).help("go on with that version, or run it anew")
            }
            error @ ResumeError::Soak { .. } => Self::new(Exit::Usage, error)
                .help("hypwalk soak --first goes on one behind the last case recorded"),
            error @ ResumeError::Order { .. } => Self::new(Exit::Results, error)
                .help("the file was changed or damaged since it was written"),
            error @ ResumeError::Machine(_) => Self::new(Exit::Target, error)
                .help("go on with the same emulator and the same target, or run it anew"),
        }
    }
}

impl From<MergeError> for Failure {
    fn from(error: MergeError) -> Self {
        let help = match &error {
            MergeError::Run(_) | MergeError::Redraw(_) => None,
            MergeError::Foreign { .. } => Some("merge the shards of one campaign"),
            MergeError::NotEnded { .. } => Some("go on with it: hypwalk run --resume RUN"),
            MergeError::Missing { .. } => Some("run what is missing with --shard"),
            MergeError::Soak { .. } => None,
            MergeError::Format { .. } => Some("merge it with the version of Hypwalk that wrote it"),
            MergeError::Twice { .. } => Some("name each shard once"),
            MergeError::Ragged => {
                Some("shards that end by time end anywhere: give the campaign a number of --cases")
            }
            MergeError::Order { .. } => {
                Some("the file was changed or damaged since it was written")
            }
        };
        let failure = match error {
            MergeError::Run(error) => return error.into(),
            MergeError::Redraw(error) => return error.into(),
            error @ MergeError::Order { .. } => Self::new(Exit::Results, error),
            error => Self::new(Exit::Usage, error),
        };
        match help {
            Some(help) => failure.help(help),
            None => failure,
        }
    }
}

impl From<PageError> for Failure {
    fn from(error: PageError) -> Self {
        match error {
            PageError::Run(error) => error.into(),
            error @ PageError::Template(_) => Self::new(Exit::Bug, error),
        }
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        let help = match &error {
            RunError::Write { source, .. } => match source.kind() {
                ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                    "the disk is full: free some room, or take another with --results FOLDER"
                }
                _ => "take a folder that can be written with --results FOLDER",
            },
            RunError::Read { .. } => "name a run by its folder, or by its id in --results FOLDER",
            RunError::Version { .. } => "read it with the version of Hypwalk that wrote it",
            RunError::Busy { .. } => "wait for it, or stop it",
            RunError::Malformed { .. } => "the file was changed or damaged since it was written",
        };
        Self::new(Exit::Results, error).help(help)
    }
}
