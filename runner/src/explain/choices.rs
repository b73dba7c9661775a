//! Choices by name, and their answers.

use std::borrow::Cow;
use std::fmt;

use golden::{Answer, Choice, Profile};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, Visitor};

/// The choices that a file settles; the others are open.
#[derive(Clone, Debug, Default)]
pub(super) struct Settled(pub Profile);

const CHOICES: [&str; Choice::COUNT] = {
    let mut names = [""; Choice::COUNT];
    let mut at = 0;
    while at < names.len() {
        names[at] = Choice::ALL[at].name();
        at += 1;
    }
    names
};

/// The names of a choice's answers; `None` where any byte is one.
fn answers(choice: Choice) -> Option<Vec<String>> {
    if choice.answer_named("0xff").is_some() {
        return None;
    }
    let name = |number| choice.answer_name(Answer(number)).to_string();
    let is_one = |name: &String| choice.answer_named(name).is_some();
    Some((0..16).map(name).filter(is_one).collect())
}

struct ChoiceName(Choice);

impl<'de> Deserialize<'de> for ChoiceName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameVisitor;

        impl Visitor<'_> for NameVisitor {
            type Value = ChoiceName;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a choice")
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<ChoiceName, E> {
                let choice = Choice::named(name).map(ChoiceName);
                choice.ok_or_else(|| E::unknown_variant(name, &CHOICES))
            }
        }

        deserializer.deserialize_str(NameVisitor)
    }
}

/// Reads an answer to the choice.
struct AnswerTo(Choice);

impl AnswerTo {
    fn named<E: de::Error>(&self, name: &str) -> Result<Answer, E> {
        self.0.answer_named(name).ok_or_else(|| {
            let answers =
                answers(self.0).map_or_else(|| "0x00 to 0xff".into(), |all| all.join(", "));
            let name = name.escape_debug();
            E::custom(format_args!("`{name}` is no answer to {}: there are {answers}", self.0))
        })
    }
}

impl<'de> DeserializeSeed<'de> for AnswerTo {
    type Value = Answer;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Answer, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Visitor<'_> for AnswerTo {
    type Value = Answer;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an answer to {}", self.0)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Answer, E> {
        self.named(&value.to_string())
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Answer, E> {
        self.named(&format!("{value:#04x}"))
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<Answer, E> {
        self.named(name)
    }
}

impl<'de> Deserialize<'de> for Settled {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SettledVisitor;

        impl<'de> Visitor<'de> for SettledVisitor {
            type Value = Settled;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("choices with their answers")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Settled, A::Error> {
                let mut profile = Profile::open();
                while let Some(ChoiceName(choice)) = map.next_key()? {
                    profile.settle(choice, map.next_value_seed(AnswerTo(choice))?);
                }
                Ok(Settled(profile))
            }
        }

        deserializer.deserialize_map(SettledVisitor)
    }
}

impl JsonSchema for Settled {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Choices".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let answer = |name: String| match name.parse::<bool>() {
            Ok(value) => value.into(),
            Err(_) => serde_json::Value::from(name),
        };
        let schema = |choice: Choice| match answers(choice) {
            Some(names) => {
                let names: Vec<_> = names.into_iter().map(answer).collect();
                json_schema!({ "enum": names })
            }
            None => json_schema!({ "type": "integer", "minimum": 0, "maximum": 255 }),
        };
        let entry = |choice: &Choice| (choice.name().to_owned(), schema(*choice).to_value());
        let properties: serde_json::Map<_, _> = Choice::ALL.iter().map(entry).collect();
        json_schema!({
            "type": "object", "properties": properties, "additionalProperties": false
        })
    }
}
