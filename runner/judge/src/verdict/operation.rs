//! Operations of probes in JSON: by name, as in YAML.

use case::probe::Operation;
use serde::de::{Deserialize, Deserializer, Error};
use serde::ser::Serializer;

pub fn serialize<S: Serializer>(operation: &Operation, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(operation.name())
}

pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Operation, D::Error> {
    let name = String::deserialize(deserializer)?;
    Operation::from_name(&name)
        .ok_or_else(|| D::Error::custom(format_args!("there is no operation {name:?}")))
}
