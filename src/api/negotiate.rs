//! Which format a client wants and which one it sends.

use super::fault::Fault;
use super::request::listed;
use crate::wire::Format;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};

/// What an `Accept` header settles.
#[derive(Clone, Debug, PartialEq)]
pub struct Accepted {
    pub format: Format,
    /// The `detail` parameter of the range that won.
    pub detail: Option<String>,
    /// The client wants what the route offers beside documents.
    pub special: bool,
}

/// The format of the answer: of `?accept=`, else of the `Accept` headers, XML by default. A medium of
/// its own that a route offers is given to who names it.
pub fn accept(headers: &HeaderMap, query: Option<&str>, offered: Option<&str>) -> Result<Accepted, Fault> {
    let mut ranges = Vec::new();
    match query {
        Some(wanted) => ranges.extend(Range::parse(wanted)),
        None => {
            for value in headers.get_all(header::ACCEPT) {
                ranges.extend(value.to_str().unwrap_or_default().split(',').filter_map(Range::parse));
            }
        }
    }
    if ranges.is_empty() && query.is_none() {
        return Ok(Accepted { format: Format::Xml, detail: None, special: false });
    }
    if ranges.iter().any(|range| Some(range.media.as_str()) == offered && range.quality > 0) {
        return Ok(Accepted { format: Format::Xml, detail: None, special: true });
    }
    let quality = |format| {
        // The most specific range speaks for a format, whatever a wider one says.
        let range = ranges.iter().rev().filter(|r| r.covers(format)).max_by_key(|r| r.specificity())?;
        (range.quality > 0).then_some(range)
    };
    // Of equal qualities the more specific range wins, and then the one that came first.
    let place = |range: &Range| ranges.iter().position(|r| std::ptr::eq(r, range));
    [Format::Json, Format::Xml]
        .into_iter()
        .filter_map(|format| Some((quality(format)?, format)))
        .max_by_key(|(range, _)| (range.quality, range.specificity(), std::cmp::Reverse(place(range))))
        .map(|(range, format)| Accepted { format, detail: range.detail.clone(), special: false })
        .ok_or_else(|| {
            Fault::http(
                StatusCode::NOT_ACCEPTABLE,
                "The answer can be application/xml or application/json, nothing else.",
            )
        })
}

/// Refuses a body that is packed, which would be taken as if it were not.
pub fn plain(headers: &HeaderMap) -> Result<(), Fault> {
    let plain = |coding: &&str| coding.is_empty() || coding.eq_ignore_ascii_case("identity");
    match listed(headers, "content-encoding").find(|coding| !plain(coding)) {
        None => Ok(()),
        Some(coding) => Err(Fault::http(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            format!("The Content-Encoding '{coding}' is not understood: bodies are not packed."),
        )
        .with(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"))),
    }
}

/// The format of a body that is there.
pub fn content(headers: &HeaderMap) -> Result<Format, Fault> {
    plain(headers)?;
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut parts = value.split(';').map(str::trim);
    let format = named(&parts.next().unwrap_or_default().to_ascii_lowercase());
    let utf8 = parts.filter_map(|part| part.split_once('=')).all(|(name, value)| {
        let value = value.trim_matches('"').to_ascii_lowercase();
        !name.eq_ignore_ascii_case("charset") || ["utf-8", "utf8", "us-ascii"].contains(&value.as_str())
    });
    format.filter(|_| utf8).ok_or_else(|| {
        Fault::http(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "The Content-Type of a body must be application/xml or application/json, in UTF-8.",
        )
    })
}

fn named(media: &str) -> Option<Format> {
    match media {
        "application/xml" => Some(Format::Xml),
        "application/json" => Some(Format::Json),
        _ => None,
    }
}

/// One media range of an `Accept` header.
#[derive(Debug)]
struct Range {
    media: String,
    /// In thousandths.
    quality: u16,
    detail: Option<String>,
}

impl Range {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let media = parts.next().filter(|media| !media.is_empty())?.to_ascii_lowercase();
        let mut range = Self { media, quality: 1000, detail: None };
        for (name, value) in parts.filter_map(|part| part.split_once('=')) {
            let value = value.trim().trim_matches('"');
            match name.trim().to_ascii_lowercase().as_str() {
                "q" => {
                    let quality: f32 = value.parse().ok().filter(|q| (0.0..=1.0).contains(q))?;
                    range.quality = (quality * 1000.0) as u16;
                }
                "detail" => {
                    // Some clients say it once for each.
                    let before = range.detail.take().map(|before| before + "+");
                    range.detail = Some(before.unwrap_or_default() + value);
                }
                _ => {}
            }
        }
        Some(range)
    }

    fn covers(&self, format: Format) -> bool {
        matches!(self.media.as_str(), "*/*" | "application/*") || named(&self.media) == Some(format)
    }

    fn specificity(&self) -> u8 {
        match self.media.as_str() {
            "*/*" => 0,
            "application/*" => 1,
            _ => 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format_for(accept_header: &str) -> Option<Format> {
        let headers = HeaderMap::from_iter([(header::ACCEPT, accept_header.parse().unwrap())]);
        accept(&headers, None, None).ok().map(|accepted| accepted.format)
    }

    #[test]
    fn the_answer_has_the_format_that_the_client_likes_best() {
        assert_eq!(accept(&HeaderMap::new(), None, None).unwrap().format, Format::Xml);
        for (header, format) in [
            ("*/*", Format::Xml),
            ("application/xml", Format::Xml),
            ("Application/JSON", Format::Json),
            ("application/json, text/plain, */*", Format::Json),
            ("application/json;q=0.5, application/xml;q=0.4", Format::Json),
            ("application/xml;q=0, */*", Format::Json),
            ("application/json, application/xml", Format::Json),
            ("application/xml, application/json", Format::Xml),
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", Format::Xml),
        ] {
            assert_eq!(format_for(header), Some(format), "{header}");
        }
        assert_eq!(format_for("text/html"), None);
        assert_eq!(format_for("application/pdf"), None);
    }

    #[test]
    fn the_query_overrides_and_a_range_carries_details() {
        let headers =
            HeaderMap::from_iter([(header::ACCEPT, "application/xml; detail=nics+disks".parse().unwrap())]);
        assert_eq!(accept(&headers, None, None).unwrap().detail.as_deref(), Some("nics+disks"));
        assert_eq!(accept(&headers, Some("application/json"), None).unwrap().format, Format::Json);
        assert_eq!(accept(&headers, Some("image/png"), None).unwrap_err().status, StatusCode::NOT_ACCEPTABLE);
    }

    #[test]
    fn what_a_route_offers_is_given_to_who_names_it() {
        let headers = HeaderMap::from_iter([(header::ACCEPT, "text/x-special".parse().unwrap())]);
        assert!(accept(&headers, None, Some("text/x-special")).unwrap().special);
        assert_eq!(accept(&headers, None, None).unwrap_err().status, StatusCode::NOT_ACCEPTABLE);
    }

    #[test]
    fn a_body_is_xml_or_json_in_utf_8() {
        let of = |value: &str| {
            content(&HeaderMap::from_iter([(header::CONTENT_TYPE, value.parse().unwrap())])).ok()
        };
        assert_eq!(of("application/xml"), Some(Format::Xml));
        assert_eq!(of("application/json; charset=\"UTF-8\""), Some(Format::Json));
        assert_eq!(of("application/xml; charset=utf-16"), None);
        assert_eq!(of("text/plain"), None);
        assert!(content(&HeaderMap::new()).is_err());
    }
}
