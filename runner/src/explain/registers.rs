//! Registers by Arm's names, raw.

use schemars::JsonSchema;
use serde::Deserialize;

use suite::hex::Hex;

/// Declares the keys of registers that the reference walker lists.
macro_rules! keys {
    ($(#[$doc:meta])* $keys:ident, $schema:literal, $golden:ty: $($field:ident $name:literal)*) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields, default)]
        #[schemars(rename = $schema)]
        pub(super) struct $keys {
            $(#[doc = concat!("Raw value of ", $name, ".")] #[serde(rename = $name)] $field: Hex,)*
        }

        impl From<$keys> for $golden {
            fn from(keys: $keys) -> Self {
                Self { $($field: keys.$field.0,)* }
            }
        }
    };
}

golden::registers! {
    keys
    /// Raw values of system registers; those left out are 0.
    RegisterFields, "Registers", golden::Registers:
}

golden::id_registers! {
    keys
    /// Raw values of the ID registers; those left out are 0.
    IdRegisterFields, "IdRegisters", golden::IdRegisters:
}
