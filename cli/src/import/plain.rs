//! Tokens in the clear: taken from standard input, or from a file that nobody else may read.

use std::cell::Cell;

use anyhow::ensure;
use serde_json::{Map, Value};

use super::source::Input;

/// Watches for tokens in the clear.
pub(super) struct Plain {
    /// The file that others may read, where it is one.
    open_file: Option<String>,
    met: Cell<bool>,
}

impl Plain {
    pub(super) fn new(input: &Input) -> Self {
        Self { open_file: input.readable_by_others(), met: Cell::new(false) }
    }

    /// Refuses a row with tokens in the clear from a file that others may read.
    pub(super) fn check(&self, row: &Map<String, Value>) -> anyhow::Result<()> {
        let format = row.get("tokens").and_then(|tokens| tokens.get("format")).and_then(Value::as_str);
        // As the API reads it, without the blanks around it.
        if format.map(str::trim) != Some("plain") {
            return Ok(());
        }
        self.met.set(true);
        let file = self.open_file.as_deref().unwrap_or_default();
        ensure!(
            file.is_empty(),
            "{file} holds tokens in the clear, and others may read it: run `chmod 600 {file}`, or send the rows through standard input (--file -)"
        );
        Ok(())
    }

    /// Whether there were any.
    pub(super) fn was_met(&self) -> bool {
        self.met.get()
    }
}
