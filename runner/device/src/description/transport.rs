//! The transport between host and executor.

use schemars::JsonSchema;
use serde::Deserialize;

use super::address::Address;

/// How host and executor talk.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Transport {
    /// Through memory that both see.
    Mailbox {
        /// Physical address of the mailbox, a multiple of 4 KB, in RAM: 2 MB and 4 KB from there are the
        /// mailbox's.
        address: Address,
    },
    /// In messages over the console.
    Uart,
}
