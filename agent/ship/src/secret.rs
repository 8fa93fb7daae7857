//! Credentials.

use std::fmt;

use reqwest::header::HeaderValue;
use zeroize::Zeroizing;

/// A token, key or password. Never shown, and overwritten when it is dropped.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes what a credential file holds; blanks and line ends around it are no part of it.
    pub fn new(text: String) -> Self {
        let whole = Zeroizing::new(text);
        Self(Zeroizing::new(whole.trim().to_owned()))
    }

    /// The same behind a word, as headers of some receivers want it.
    #[must_use]
    pub fn after(&self, word: &str) -> Self {
        Self(Zeroizing::new(format!("{word}{}", self.expose())))
    }

    /// The text itself, for where it is used.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    /// A header's value that ends in it, or nothing where a header cannot hold it.
    pub(crate) fn header(&self, scheme: &str) -> Option<HeaderValue> {
        let text = Zeroizing::new(format!("{scheme}{}", self.expose()));
        let mut value = HeaderValue::from_str(&text).ok()?;
        // kept out of the Debug output of header maps
        value.set_sensitive(true);
        Some(value)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_shows_nothing_and_loses_the_line_end_of_its_file() {
        let secret = Secret::new("t0ps3cret\n".to_owned());
        assert_eq!(format!("{secret:?}"), "Secret");
        assert_eq!(secret.expose(), "t0ps3cret");
        let header = secret.header("Bearer ").unwrap();
        assert_eq!(format!("{header:?}"), "Sensitive");
    }

    #[test]
    fn a_secret_that_would_break_a_header_is_refused() {
        assert!(Secret::new("a\r\nX-Other: b".to_owned()).header("Bearer ").is_none());
    }
}
