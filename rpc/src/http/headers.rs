//! Names and entity tags in HTTP headers.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::error::ApiError;

/// What RFC 8187 lets stand unescaped in an extended value, apart from letters and digits.
const EXTENDED_VALUE: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// The value of a header as text, if it is there.
///
/// # Errors
/// `BadParams` if it is there twice, or is not UTF-8.
pub(super) fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, ApiError> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(ApiError::BadParams(format!("{name}: given twice")));
    }
    let text = std::str::from_utf8(value.as_bytes());
    text.map(Some).map_err(|_| ApiError::BadParams(format!("{name}: not UTF-8")))
}

/// The file name of a `Content-Disposition`, without any folders; `filename*` wins over `filename`.
///
/// # Errors
/// `BadParams` if the header is malformed.
pub(super) fn file_name(disposition: &str) -> Result<Option<String>, ApiError> {
    let malformed = || ApiError::BadParams("content-disposition: malformed".into());
    let (mut plain, mut extended) = (None, None);
    let mut rest = disposition.split_once(';').map_or("", |(_, parameters)| parameters).trim_start();
    while !rest.is_empty() {
        let (name, value) = rest.split_once('=').ok_or_else(malformed)?;
        let (value, behind) = parameter_value(value.trim_start()).ok_or_else(malformed)?;
        match name.trim().to_ascii_lowercase().as_str() {
            "filename" => plain = Some(value),
            "filename*" => extended = Some(extended_value(&value).ok_or_else(malformed)?),
            _ => {}
        }
        rest = behind;
    }
    let name = extended.or(plain);
    let last = name.as_deref().and_then(|name| name.rsplit(['/', '\\']).next());
    Ok(last.filter(|name| !name.is_empty()).map(ToOwned::to_owned))
}

/// A token or a quoted string, and what comes behind the next semicolon.
fn parameter_value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let (token, behind) = text.split_once(';').unwrap_or((text, ""));
        return Some((token.trim().to_owned(), behind.trim_start()));
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    loop {
        match characters.next()? {
            (_, '\\') => value.push(characters.next()?.1),
            (at, '"') => {
                let behind = quoted.get(at + 1..)?.trim_start();
                let next = behind.strip_prefix(';').or_else(|| behind.is_empty().then_some(""))?;
                return Some((value, next.trim_start()));
            }
            (_, character) => value.push(character),
        }
    }
}

/// `UTF-8'language'percent-encoded`.
fn extended_value(text: &str) -> Option<String> {
    let mut parts = text.splitn(3, '\'');
    let (charset, _, encoded) = (parts.next()?, parts.next()?, parts.next()?);
    if !charset.eq_ignore_ascii_case("utf-8") {
        return None;
    }
    percent_decode_str(encoded).decode_utf8().ok().map(Into::into)
}

/// A `Content-Disposition` that makes browsers save the file under `name`, whatever characters it has.
pub(super) fn attachment(name: &str) -> HeaderValue {
    let safe: String = name.chars().map(|c| if c.is_control() || matches!(c, '/' | '\\') { '_' } else { c }).collect();
    let ascii: String = safe.chars().map(|c| if c.is_ascii() && c != '"' && c != '%' { c } else { '_' }).collect();
    let extended = utf8_percent_encode(&safe, EXTENDED_VALUE);
    let text = format!("attachment; filename=\"{ascii}\"; filename*=UTF-8''{extended}");
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("attachment"))
}

/// Whether an `If-None-Match` names this entity tag, weakly compared, or any.
pub(super) fn names_tag(if_none_match: &str, tag: &str) -> bool {
    if_none_match
        .split(',')
        .map(str::trim)
        .any(|entry| entry == "*" || entry.strip_prefix("W/").unwrap_or(entry) == tag)
}

#[cfg(test)]
mod tests;
