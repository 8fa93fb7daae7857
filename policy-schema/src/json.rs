//! JSON that can be read in one way only: a member that stands twice in an object is refused at any depth.
//!
//! Readers differ over such a member (the first counts, the last counts), so a document with one could say one thing
//! to the person who signs it and another to us. serde sees it only for known members of structs.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use serde::de::{
    Deserialize, DeserializeOwned, DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor,
};

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
    if bytes.len() < LARGE {
        check(bytes)?;
        return read(bytes);
    }
    std::thread::scope(|scope| {
        let checked = std::thread::Builder::new().spawn_scoped(scope, || check(bytes));
        let value = read(bytes);
        // what the check says comes first; where no thread could be had it is made here
        checked.ok().and_then(|thread| thread.join().ok()).unwrap_or_else(|| check(bytes))?;
        value
    })
}

/// From this size on bytes are checked by another thread while they are read.
const LARGE: usize = 1 << 18;

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, JsonError> {
    // one look at all of the bytes is cheaper than one at every string
    match std::str::from_utf8(bytes) {
        Ok(text) => serde_json::from_str(text),
        Err(_) => serde_json::from_slice(bytes),
    }
    .map_err(|error| JsonError::Form(error.to_string()))
}

/// Checks that the bytes are one JSON value in which no object has a member twice.
///
/// # Errors
/// See [`JsonError`].
pub fn check(bytes: &[u8]) -> Result<(), JsonError> {
    match std::str::from_utf8(bytes) {
        Ok(text) => walk(&mut serde_json::Deserializer::from_str(text)),
        Err(_) => walk(&mut serde_json::Deserializer::from_slice(bytes)),
    }
}

fn walk<'de, R: serde_json::de::Read<'de>>(
    reader: &mut serde_json::Deserializer<R>,
) -> Result<(), JsonError> {
    let mut duplicate = None;
    let walked = Walk { duplicate: &mut duplicate }.deserialize(&mut *reader).and_then(|()| reader.end());
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
        let mut seen = Seen::default();
        while let Some(Name(name)) = map.next_key::<Name<'de>>()? {
            if let Err(name) = seen.insert(name) {
                *self.duplicate = Some(name.into_owned());
                return Err(A::Error::custom("duplicate member"));
            }
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

/// Names of members seen so far. Most objects have few, written without escapes: for these nothing is allocated.
#[derive(Default)]
struct Seen<'de> {
    few: [&'de str; FEW],
    count: usize,
    more: BTreeSet<Cow<'de, str>>,
}

const FEW: usize = 16;

impl<'de> Seen<'de> {
    /// Notes a name; gives it back if it has been seen.
    fn insert(&mut self, name: Cow<'de, str>) -> Result<(), Cow<'de, str>> {
        if self.few[..self.count].iter().any(|seen| *seen == name) || self.more.contains(&name) {
            return Err(name);
        }
        match name {
            Cow::Borrowed(name) if self.count < FEW => {
                self.few[self.count] = name;
                self.count += 1;
            }
            name => {
                self.more.insert(name);
            }
        }
        Ok(())
    }
}

/// The name of a member, borrowed from the text where it has no escape in it.
struct Name<'de>(Cow<'de, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Borrowed(name)))
            }

            fn visit_str<E>(self, name: &str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(name.to_owned())))
            }
        }
        deserializer.deserialize_str(Read)
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
        let many: Vec<String> = (0..40).map(|n| format!("\"m{n}\":{n}")).collect();
        for last in [0, 15, 16, 17, 39] {
            let text = format!("{{{},\"m{last}\":0}}", many.join(","));
            assert_eq!(check(text.as_bytes()), duplicate(&format!("m{last}")));
        }
        assert_eq!(check(format!("{{{}}}", many.join(",")).as_bytes()), Ok(()));
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

    #[test]
    fn a_large_text_is_judged_as_a_small_one() {
        type Map = std::collections::BTreeMap<String, u8>;
        for size in [0, LARGE] {
            let read = |text: &str| from_slice::<Map>(format!("{}{text}", " ".repeat(size)).as_bytes());
            assert_eq!(read(r#"{"a":1,"b":2}"#), Ok(Map::from([("a".to_owned(), 1), ("b".to_owned(), 2)])));
            // what stands twice is told, whatever else is wrong before or behind it
            for twice in [r#"{"a":1,"a":2}"#, r#"{"b":"x","a":1,"a":2}"#, r#"{"a":1,"a":2"#] {
                assert_eq!(read(twice), Err(JsonError::Duplicate("a".to_owned())), "{twice}");
            }
            assert!(matches!(read(r#"{"b":"x","#), Err(JsonError::Syntax(_))));
            assert!(matches!(read(r#"{"b":"x"}"#), Err(JsonError::Form(_))));
        }
    }
}
