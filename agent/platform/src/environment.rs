//! The one place that reads the environment of this process; everybody else gets it as a parameter.

use std::collections::BTreeMap;
use std::fmt;

/// Environment variables by name. Their values may be secrets, so `Debug` shows names only.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// The environment of this process. A variable that is not Unicode is left out: no path of ours can use it.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    pub fn of_process() -> Self {
        let pairs = std::env::vars_os();
        pairs
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect()
    }

    /// No variables.
    pub fn empty() -> Self {
        Self::default()
    }

    /// The value of a variable. Windows ignores the case of the name.
    pub fn get(&self, name: &str) -> Option<&str> {
        let exact = self.0.get(name);
        if exact.is_none() && cfg!(windows) {
            return self
                .0
                .iter()
                .find(|(key, _)| key.eq_ignore_ascii_case(name))
                .map(|(_, value)| value.as_str());
        }
        exact.map(String::as_str)
    }
}

impl FromIterator<(String, String)> for Environment {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(pairs: I) -> Self {
        Self(pairs.into_iter().collect())
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_value() {
        let env: Environment = [("TOKEN".to_owned(), "hunter2".to_owned())].into_iter().collect();
        assert_eq!(format!("{env:?}"), r#"{"TOKEN"}"#);
        assert_eq!(env.get("TOKEN"), Some("hunter2"));
        assert_eq!(env.get("PATH"), None);
    }
}
