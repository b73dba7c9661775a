//! The steps of a boot recipe.

use std::borrow::Cow;
use std::fmt;

use regex::bytes::{Regex, RegexBuilder};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;

use super::text::unescaped;

/// A step of a boot recipe, and how long it may take.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(try_from = "StepFields")]
pub struct Step {
    /// What is done.
    pub action: Action,
    /// Seconds that it may take.
    pub seconds: u32,
}

/// What a step does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    /// Runs a command of the shell on the host.
    Run(String),
    /// Waits until the board says something.
    Expect(Pattern),
    /// Types a text.
    Send(String),
    /// Presses a key again and again until the board says something.
    PressUntil(Pattern, String),
    /// Sends the executor by YMODEM.
    Loady(Form),
}

/// A form of the executor.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// Flat, with a Linux `Image` header.
    Image,
}

/// A step of a boot recipe: one of `run`, `expect`, `expect-pattern`, `send`, `press-until` and `loady`, and what
/// belongs to it.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(rename = "Step")]
struct StepFields {
    /// Run this by `/bin/sh` on the host: relays, a power controller, a copy to where the board
    /// loads from. It must end with exit status 0; what it leaves in the background is ended with it.
    run: Option<String>,
    /// Wait until the board says this, after whatever earlier steps waited for.
    expect: Option<String>,
    /// Like `expect`, a regular expression.
    expect_pattern: Option<String>,
    /// Type this, with `\r`, `\n`, `\t`, `\e`, `\\` and `\xHH` for what can't be written. What is typed is echoed by most
    /// boot loaders: an `expect` for words of it is met by the echo.
    send: Option<String>,
    /// Press `key` ten times a second until the board says this.
    press_until: Option<String>,
    /// The key for `press-until`, written as in `send`. Default: a blank.
    key: Option<String>,
    /// Send the executor in this form by YMODEM, as U-Boot's `loady` takes it.
    loady: Option<Form>,
    /// Seconds that the step may take. Default: 10 for `run` and `send`, 30 for `expect` and `press-until`, 600 for
    /// `loady`.
    seconds: Option<u32>,
}

impl TryFrom<StepFields> for Step {
    type Error = String;

    fn try_from(fields: StepFields) -> Result<Self, String> {
        let StepFields { run, expect, expect_pattern, send, press_until, key, loady, seconds } =
            fields;
        let press = press_until.is_some();
        let key = match (&key, press) {
            (Some(_), false) => return Err("`key` belongs to `press-until`".to_owned()),
            (Some(key), true) => key.clone(),
            (None, _) => " ".to_owned(),
        };
        let mut actions = Vec::new();
        actions.extend(run.map(|command| (Action::Run(command), 10)));
        if let Some(text) = expect {
            actions.push((Action::Expect(Pattern::literal(&text)?), 30));
        }
        if let Some(pattern) = expect_pattern {
            actions.push((Action::Expect(Pattern::regex(&pattern)?), 30));
        }
        actions.extend(send.map(|text| (Action::Send(text), 10)));
        if let Some(text) = press_until {
            actions.push((Action::PressUntil(Pattern::literal(&text)?, key), 30));
        }
        actions.extend(loady.map(|form| (Action::Loady(form), 600)));
        let count = actions.len();
        let (Some((action, usual)), 1) = (actions.pop(), count) else {
            return Err(format!(
                "a step is one of run, expect, expect-pattern, send, press-until and loady, and \
                 this has {count} of them"
            ));
        };
        for text in action.typed() {
            unescaped(text)?;
        }
        match seconds {
            Some(0) => Err("a step of 0 seconds would always fail".to_owned()),
            seconds => Ok(Self { action, seconds: seconds.unwrap_or(usual) }),
        }
    }
}

impl Step {
    /// Its texts that may name variables.
    pub(super) fn texts(&self) -> impl Iterator<Item = &str> {
        match &self.action {
            Action::Run(text) | Action::Send(text) => Some(text.as_str()),
            Action::Expect(_) | Action::PressUntil(..) | Action::Loady(_) => None,
        }
        .into_iter()
    }
}

impl Action {
    /// What of it is typed on the console.
    fn typed(&self) -> impl Iterator<Item = &str> {
        match self {
            Self::Send(text) | Self::PressUntil(_, text) => Some(text.as_str()),
            Self::Run(_) | Self::Expect(_) | Self::Loady(_) => None,
        }
        .into_iter()
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Run(command) => write!(f, "run: {}", command.trim()),
            Self::Expect(pattern) => write!(f, "expect: {pattern}"),
            Self::Send(text) => write!(f, "send: {}", text.escape_debug()),
            Self::PressUntil(pattern, _) => write!(f, "press-until: {pattern}"),
            Self::Loady(Form::Image) => f.write_str("loady: image"),
        }
    }
}

impl JsonSchema for Step {
    fn schema_name() -> Cow<'static, str> {
        StepFields::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        StepFields::json_schema(generator)
    }
}

/// Something that the board is waited for to say.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: String,
    regex: Regex,
}

impl Pattern {
    fn literal(text: &str) -> Result<Self, String> {
        Self::new(text, &regex::escape(text))
    }

    fn regex(text: &str) -> Result<Self, String> {
        Self::new(text, text)
    }

    fn new(text: &str, regex: &str) -> Result<Self, String> {
        let built = RegexBuilder::new(regex).unicode(false).build();
        let regex = built.map_err(|error| format!("{text:?} is no regular expression: {error}"))?;
        // It would be met before the board says anything.
        if regex.is_match(b"") {
            return Err(format!("{text:?} is met by nothing at all"));
        }
        Ok(Self { text: text.to_owned(), regex })
    }

    /// Where in `said` it is met: the end of the match.
    pub fn end_in(&self, said: &[u8]) -> Option<usize> {
        self.regex.find(said).map(|found| found.end())
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.regex.as_str() == other.regex.as_str()
    }
}

impl Eq for Pattern {}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.text)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use suite::yaml;

    fn step(text: &str) -> Result<Step, String> {
        yaml::from_str(text, Path::new("step.yaml")).map_err(|error| error.to_string())
    }

    #[test]
    fn a_step_is_one_thing() {
        let Step { action, seconds } = step("run: reset-board\nseconds: 4").expect("it is one");
        assert_eq!((action, seconds), (Action::Run("reset-board".to_owned()), 4));
        let Step { action, seconds } = step("press-until: '=> '").expect("it is one");
        let pattern = Pattern::literal("=> ").expect("a text");
        assert_eq!((action, seconds), (Action::PressUntil(pattern, " ".to_owned()), 30));
        let refused = [
            ("seconds: 3", "0 of them"),
            ("run: a\nsend: b", "2 of them"),
            ("run: a\nkey: b", "belongs to"),
            ("run: a\nseconds: 0", "0 seconds"),
            ("expect-pattern: '['", "no regular expression"),
            ("expect-pattern: 'a*'", "met by nothing"),
            ("expect: ''", "met by nothing"),
            ("expectt: a", "expectt"),
            (r"send: 'a\q'", r"\q stands for nothing"),
            (r"send: 'a\x4'", "two hex digits"),
            ("loady: elf", "elf"),
        ];
        for (text, reason) in refused {
            let message = step(text).expect_err("it is no step");
            assert!(message.contains(reason), "{text}: {message}");
        }
    }

    #[test]
    fn a_text_is_met_where_it_ends() {
        let text = Pattern::literal("=> ").expect("a text");
        assert_eq!(text.end_in(b"\xffU-Boot\r\n=> loady"), Some(12));
        assert_eq!(text.end_in(b"=>"), None);
        let regex = Pattern::regex("[0-9]+ bytes").expect("a pattern");
        assert_eq!(regex.end_in(b"\xfe read 512 bytes."), Some(16));
    }
}
