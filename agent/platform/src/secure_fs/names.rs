//! Names of our temporary files: recognisable, so that what a crash left is found, and not to be guessed, so that
//! nobody puts something there before us.

use std::fmt::{self, Write as _};
use std::str::FromStr;

use super::fault::Fault;

const PREFIX: &str = ".mcpolicy.";
const RANDOM_BYTES: usize = 16;

/// The name of a temporary file of ours: `.mcpolicy.` and 128 random bits. It is chosen before the edit, so that the
/// journal can name it before it exists.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TempName(String);

impl TempName {
    /// A name that nobody else has.
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub fn random() -> Result<Self, Fault> {
        let mut bytes = [0_u8; RANDOM_BYTES];
        getrandom::fill(&mut bytes).map_err(|error| Fault::Io(error.raw_os_error().unwrap_or_default()))?;
        let mut name = PREFIX.to_owned();
        for byte in bytes {
            // writing to a string does not fail
            let _ = write!(name, "{byte:02x}");
        }
        Ok(Self(name))
    }

    /// A second name that goes with this one, known to whoever knows this.
    #[cfg_attr(windows, expect(dead_code, reason = "nobody can have a file open there when it is replaced"))]
    pub(super) fn twin(&self) -> Self {
        Self(
            PREFIX
                .chars()
                .chain(self.0.chars().skip(PREFIX.len()).collect::<Vec<_>>().into_iter().rev())
                .collect(),
        )
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TempName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for TempName {
    type Err = Fault;

    /// Takes only names that [`Self::random`] could have made: what the journal says is not trusted with paths.
    fn from_str(name: &str) -> Result<Self, Fault> {
        let digits = name.strip_prefix(PREFIX).ok_or(Fault::BadPath)?;
        let is_hex = digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if digits.len() == 2 * RANDOM_BYTES && is_hex {
            Ok(Self(name.to_owned()))
        } else {
            Err(Fault::BadPath)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_random_and_come_back_from_text() {
        let one = TempName::random().expect("random");
        assert_ne!(one, TempName::random().expect("random"));
        assert_eq!(one.to_string().parse(), Ok(one));
    }

    #[test]
    fn a_name_of_somebody_else_is_no_name_of_ours() {
        let hex = "0123456789abcdef0123456789abcdef";
        assert!(format!(".mcpolicy.{hex}").parse::<TempName>().is_ok());
        for name in [
            ".mcpolicy.",
            ".mcpolicy.0",
            &format!("mcpolicy.{hex}"),
            &format!(".mcpolicy.{}", hex.to_uppercase()),
            &format!(".mcpolicy.{hex}0"),
            &format!(".mcpolicy.../../{}", &hex[6..]),
        ] {
            assert_eq!(name.parse::<TempName>(), Err(Fault::BadPath), "{name}");
        }
    }
}
