//! JSON that can be read in one way only: a member that stands twice in an object is refused at any depth.
//!
//! Readers differ over such a member (the first counts, the last counts), so a document with one could say one thing
//! to the person who signs it and another to us. serde sees it only for known members of structs.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

/// Why bytes are not JSON of the kind wanted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// Not JSON, or nested deeper than 128 levels.
    #[error("is not JSON ({0})")]
    Syntax(String),
    /// A member that stands twice in one object.
    #[error("has the member {0} twice in one object")]
    Duplicate(String),
    /// JSON, but of another form.
    #[error("has another form than the schema says ({0})")]
    Form(String),
}

/// Reads a value from bytes in which no object has a member twice.
///
/// # Errors
/// See [`JsonError`].
pub fn from_slice<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, JsonError> {
    check(bytes)?;
    serde_json::from_slice(bytes).map_err(|error| JsonError::Form(error.to_string()))
}

/// Checks that the bytes are one JSON value in which no object has a member twice.
///
/// # Errors
/// See [`JsonError`].
pub fn check(bytes: &[u8]) -> Result<(), JsonError> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let mut duplicate = None;
    let walked = Walk { duplicate: &mut duplicate }.deserialize(&mut reader).and_then(|()| reader.end());
    match (walked, duplicate) {
        (Err(_), Some(member)) => Err(JsonError::Duplicate(member)),
        (Err(error), None) => Err(JsonError::Syntax(error.to_string())),
        (Ok(()), _) => Ok(()),
    }
}

/// Walks over a value without keeping it.
struct Walk<'a> {
    duplicate: &'a mut Option<String>,
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut seen = BTreeSet::new();
        while let Some(name) = map.next_key::<String>()? {
            if seen.contains(&name) {
                *self.duplicate = Some(name);
                return Err(A::Error::custom("duplicate member"));
            }
            seen.insert(name);
            map.next_value_seed(Walk { duplicate: &mut *self.duplicate })?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(Walk { duplicate: &mut *self.duplicate })?.is_some() {}
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_that_stands_twice_is_found_at_any_depth() {
        let duplicate = |name: &str| Err(JsonError::Duplicate(name.to_owned()));
        assert_eq!(check(br#"{"a":1,"a":1}"#), duplicate("a"));
        assert_eq!(check(br#"[{"b":[{"x":{"a":1,"b":2,"a":null}}]}]"#), duplicate("a"));
        // the same name written with an escape is the same name
        assert_eq!(check(br#"{"ab":1,"\u0061b":2}"#), duplicate("ab"));
        assert_eq!(check(br#"{"a":{"a":{"a":[]}},"b":[{"a":1},{"a":1}],"A":true}"#), Ok(()));
    }

    #[test]
    fn anything_else_than_one_value_is_refused() {
        for wrong in [&b""[..], b"{} {}", b"{\"a\":1,}", b"{} x", b"\xff", b"nul"] {
            assert!(matches!(check(wrong), Err(JsonError::Syntax(_))), "{wrong:?}");
        }
        let deep = [b"[".repeat(100_000), b"]".repeat(100_000)].concat();
        assert!(matches!(check(&deep), Err(JsonError::Syntax(_))));
    }

    #[test]
    fn a_map_refuses_what_serde_would_let_pass() {
        type Map = std::collections::BTreeMap<String, u8>;
        let bytes = br#"{"a":1,"a":2}"#;
        assert_eq!(serde_json::from_slice::<Map>(bytes).unwrap()["a"], 2);
        assert_eq!(from_slice::<Map>(bytes), Err(JsonError::Duplicate("a".to_owned())));
    }
}
