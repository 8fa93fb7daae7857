//! Version requirements: whether every version that a request may resolve to is one that a rule means.

use crate::document::Ecosystem;

/// How a request lies to a requirement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Admits {
    /// Every version that it may resolve to is meant.
    All,
    /// Some may be meant and some not, or it cannot be told.
    Some,
    /// Certainly none is meant.
    None,
}

/// A version requirement of one ecosystem.
#[derive(Debug, Clone)]
pub struct Requirement {
    any: bool,
}

impl Requirement {
    /// Reads a requirement in the ecosystem's own syntax; `*` is any version.
    ///
    /// # Errors
    /// What is wrong with it, in words for the author of a policy.
    pub fn parse(_ecosystem: Ecosystem, text: &str) -> Result<Self, String> {
        Ok(Self { any: text == "*" })
    }

    /// Judges what an entry asks for: `None` is no version at all, a tag may be any version.
    pub fn admits(&self, _asked: Option<&str>) -> Admits {
        if self.any { Admits::All } else { Admits::Some }
    }

    /// The one version that is meant, if it is one.
    pub fn exact(&self) -> Option<&str> {
        None
    }
}
