//! What a request's target says: segments, matrix parameters, query parameters.

/// Named values of a path's segments or of a query, in the order in which they came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// The value of that name, in any case; the last one when it was given twice.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Reads a query; `None` when it is no UTF-8.
    pub fn query(text: &str) -> Option<Self> {
        // A plus is a blank here, and nowhere else in a target.
        text.split('&').filter(|pair| !pair.is_empty()).map(|pair| pair.replace('+', " ")).try_fold(
            Self::default(),
            |mut all, pair| {
                all.push(&pair)?;
                Some(all)
            },
        )
    }

    fn push(&mut self, pair: &str) -> Option<()> {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        self.0.push((decode(name)?, decode(value)?));
        Some(())
    }
}

/// A path taken apart: the segments without their parameters, decoded one by one after the split,
/// so that an encoded slash never makes a segment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Path {
    pub segments: Vec<String>,
    /// The matrix parameters of all segments.
    pub matrix: Parameters,
    /// Those of the last segment.
    pub last: Parameters,
}

impl Path {
    /// `None` when the path can name nothing: a segment that is no UTF-8, or with a slash or a
    /// control character in it.
    pub fn parse(path: &str) -> Option<Self> {
        let mut parsed = Self::default();
        for segment in path.trim_start_matches('/').trim_end_matches('/').split('/') {
            let mut parts = segment.split(';');
            let name = decode(parts.next().unwrap_or_default())?;
            if name.contains('/') || name.contains(char::is_control) {
                return None;
            }
            parsed.segments.push(name);
            parsed.last = Parameters::default();
            for pair in parts.filter(|pair| !pair.is_empty()) {
                parsed.matrix.push(pair)?;
                parsed.last.push(pair)?;
            }
        }
        Some(parsed)
    }
}

/// Decodes percent escapes; what is none stays as it is. `None` when the result is no UTF-8.
fn decode(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escaped = (bytes[at] == b'%').then(|| bytes.get(at + 1..at + 3)).flatten().and_then(hex);
        out.push(escaped.unwrap_or(bytes[at]));
        at += if escaped.is_some() { 3 } else { 1 };
    }
    String::from_utf8(out).ok()
}

fn hex(digits: &[u8]) -> Option<u8> {
    digits.iter().try_fold(0, |value, digit| Some(value << 4 | char::from(*digit).to_digit(16)? as u8))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matrix_parameters_leave_the_segments() {
        let path =
            Path::parse("/ovirt-engine/api/vms;max=1;case_sensitive=True/a%20b;detail=nics+disks;current/")
                .unwrap();
        assert_eq!(path.segments, ["ovirt-engine", "api", "vms", "a b"]);
        assert_eq!(path.matrix.get("max"), Some("1"));
        assert_eq!(path.matrix.get("Case_Sensitive"), Some("True"));
        assert_eq!(path.matrix.get("current"), Some(""));
        assert_eq!(path.last.get("detail"), Some("nics+disks"));
        assert_eq!(path.last.get("max"), None);
    }

    #[test]
    fn an_encoded_slash_names_nothing() {
        assert_eq!(Path::parse("/api/vms%2Fx"), None);
        assert_eq!(Path::parse("/api/%00"), None);
        assert_eq!(Path::parse("/api/%ff"), None);
        assert_eq!(Path::parse("/api/100%/%zz").unwrap().segments, ["api", "100%", "%zz"]);
    }

    #[test]
    fn a_plus_is_a_blank_in_a_query_only() {
        let query = Parameters::query("search=name%3Dx%2A+sortby+name&max=1&&empty=&flag").unwrap();
        assert_eq!(query.get("search"), Some("name=x* sortby name"));
        assert_eq!(query.get("empty"), Some(""));
        assert_eq!(query.get("flag"), Some(""));
        assert_eq!(query.get("none"), None);
    }
}
