//! Which part of a blob a chunk is.

use axum::http::{HeaderMap, header};

use super::error::RegistryError;

/// Reads `FIRST-LAST`, which the specification writes without a unit. Some clients write one all the same.
pub(super) fn parse_content_range(headers: &HeaderMap) -> Result<Option<(u64, u64)>, RegistryError> {
    let Some(value) = headers.get(header::CONTENT_RANGE) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default();
    let text = text.strip_prefix("bytes ").unwrap_or(text);
    let text = text.split_once('/').map_or(text, |(range, _)| range);
    let range = text.split_once('-').and_then(|(first, last)| Some((first.parse().ok()?, last.parse().ok()?)));
    match range {
        Some((first, last)) if first <= last => Ok(Some((first, last))),
        _ => Err(RegistryError::UploadInvalid("Content-Range is not FIRST-LAST, two numbers of bytes.".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_say_where_they_belong() {
        let read = |text: &str| {
            let headers = HeaderMap::from_iter([(header::CONTENT_RANGE, text.parse().unwrap())]);
            parse_content_range(&headers).ok()
        };
        assert!(parse_content_range(&HeaderMap::new()).unwrap().is_none());
        assert_eq!(read("0-4"), Some(Some((0, 4))));
        assert_eq!(read("bytes 5-9/10"), Some(Some((5, 9))));
        for bad in ["", "5", "9-5", "a-b", "-5", "5-"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
