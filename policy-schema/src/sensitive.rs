//! Text that came from a user's configuration and may hold a secret.
//!
//! Every raw value of an entry travels in a [`Sensitive`], which cannot be printed, serialised or compared by
//! accident: `Debug` hides it, there is no `Display`, and each place that needs the text says [`Sensitive::expose`],
//! so that a reviewer can list them with one search.

use std::fmt;

/// Raw configuration text. See the module for why it cannot be printed.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Sensitive(String);

impl Sensitive {
    /// Wraps raw text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The raw text, for judging it. Never for showing it: what is shown goes through the redactor.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether there is no text at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Sensitive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{} bytes>", self.0.len())
    }
}

impl From<&str> for Sensitive {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<String> for Sensitive {
    fn from(text: String) -> Self {
        Self(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_never_shows_the_text() {
        assert_eq!(format!("{:?}", Sensitive::new("ghp_secret")), "<10 bytes>");
    }
}
