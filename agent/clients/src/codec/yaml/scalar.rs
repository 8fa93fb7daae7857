//! What an untagged or tagged YAML scalar is: the core schema of YAML 1.2 (section 10.3). The words of YAML 1.1
//! (`yes`, `no`, `on`, `off`) are text.

use std::borrow::Cow;

use saphyr_parser::Tag;

use crate::node::Value;

/// The value of a scalar. `plain` is whether it stands without quotes.
pub(crate) fn resolve<'a>(text: Cow<'a, str>, plain: bool, tag: Option<&Tag>) -> Value<'a> {
    match tag {
        Some(tag) if tag.is_yaml_core_schema() => match tag.suffix.as_str() {
            "null" => Value::Null,
            "bool" if is_bool(&text) => Value::Bool(text.starts_with(['t', 'T'])),
            "int" | "float" if is_number(&text) => Value::Number(text),
            _ => Value::String(text),
        },
        Some(_) => Value::String(text),
        None if !plain => Value::String(text),
        None if matches!(text.as_ref(), "" | "~" | "null" | "Null" | "NULL") => Value::Null,
        None if is_bool(&text) => Value::Bool(text.starts_with(['t', 'T'])),
        None if is_number(&text) => Value::Number(text),
        None => Value::String(text),
    }
}

fn is_bool(text: &str) -> bool {
    matches!(text, "true" | "True" | "TRUE" | "false" | "False" | "FALSE")
}

fn is_number(text: &str) -> bool {
    if let Some(digits) = text.strip_prefix("0o") {
        return !digits.is_empty() && digits.bytes().all(|b| matches!(b, b'0'..=b'7'));
    }
    if let Some(digits) = text.strip_prefix("0x") {
        return !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit());
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    matches!(unsigned, ".inf" | ".Inf" | ".INF")
        || matches!(text, ".nan" | ".NaN" | ".NAN")
        || is_decimal(unsigned)
}

/// Digits with perhaps a point and an exponent.
fn is_decimal(text: &str) -> bool {
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    let (number, exponent) = match text.split_once(['e', 'E']) {
        Some((number, exponent)) => (number, Some(exponent.strip_prefix(['-', '+']).unwrap_or(exponent))),
        None => (text, None),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    !(whole.is_empty() && fraction.is_empty())
        && digits(whole)
        && digits(fraction)
        && exponent.is_none_or(|e| !e.is_empty() && digits(e))
}
