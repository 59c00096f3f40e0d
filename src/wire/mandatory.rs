//! Mandatory parts of a request: the one sentence that says what is missing.

use crate::error::{Error, Kind};

/// A text that a request gives; an empty one counts as none.
pub fn filled(text: &Option<String>) -> Option<&str> {
    text.as_deref().filter(|text| !text.is_empty())
}

/// The refusal of an incomplete request: `Disk [provisionedSize|size, format] required for add`.
pub fn missing(noun: &str, parts: &[&str], verb: &str) -> Error {
    Error::new(Kind::Incomplete, format!("{noun} [{}] required for {verb}", parts.join(", ")))
}

/// Refuses a request of which some part is absent; each part comes with whether it is there.
pub fn require(noun: &str, verb: &str, parts: &[(&str, bool)]) -> Result<(), Error> {
    let absent: Vec<&str> = parts.iter().filter(|(_, there)| !there).map(|(part, _)| *part).collect();
    if absent.is_empty() { Ok(()) } else { Err(missing(noun, &absent, verb)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_absent_parts_are_named() {
        let parts = [("provisionedSize|size", false), ("interface", true), ("format", false)];
        let why = require("Disk", "add", &parts).unwrap_err();
        assert_eq!(why.kind, Kind::Incomplete);
        assert_eq!(why.said, "Disk [provisionedSize|size, format] required for add");
        assert!(require("Disk", "add", &parts[1..2]).is_ok());
    }
}
