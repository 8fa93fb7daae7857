//! The passphrase of a private key: asked on the terminal or read from a file, never an argument, which every process
//! on the machine could read.

use std::io::{BufRead as _, Read as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use mcpolicy_platform::Environment;
use zeroize::Zeroizing;

/// A passphrase. Leaves memory when it is dropped.
pub type Passphrase = Zeroizing<String>;

/// Longest passphrase, in bytes.
const MAX_BYTES: u64 = 4096;

/// Names a file with the passphrase where nobody can be asked.
const VARIABLE: &str = "MCPOLICY_PASSPHRASE_FILE";

/// Where a passphrase comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PassphraseSource {
    /// Asked on the terminal.
    Prompt,
    /// The first line of a file, for all keys; `-` is standard input, a line for each key in turn.
    File(PathBuf),
}

impl PassphraseSource {
    /// The file that is given, else the one that `MCPOLICY_PASSPHRASE_FILE` names, else the terminal.
    pub fn of(given: Option<&Path>, environment: &Environment) -> Self {
        let named = || environment.get(VARIABLE).filter(|name| !name.is_empty()).map(PathBuf::from);
        given.map(Path::to_owned).or_else(named).map_or(Self::Prompt, Self::File)
    }

    /// What to say of its file, if others have rights to that.
    pub fn exposed(&self) -> Option<String> {
        match self {
            Self::File(path) if path != Path::new("-") => super::exposed(path, "the passphrase file"),
            _ => None,
        }
    }

    /// Whether it gives each key a passphrase of its own: asked, or a line for each.
    pub fn is_for_each(&self) -> bool {
        matches!(self, Self::Prompt) || *self == Self::File("-".into())
    }

    /// Gets the passphrase of a key that exists.
    ///
    /// # Errors
    /// There is no terminal, or the file cannot be read or is empty.
    pub fn get(&self, what: &str) -> anyhow::Result<Passphrase> {
        match self {
            Self::Prompt => ask(&format!("passphrase of {what}: ")),
            Self::File(path) => from_file(path, what),
        }
    }

    /// Gets the passphrase of a new key; on the terminal it is asked twice.
    ///
    /// # Errors
    /// As [`PassphraseSource::get`]; the two differ; it is empty.
    pub fn get_new(&self, what: &str) -> anyhow::Result<Passphrase> {
        let passphrase = match self {
            Self::Prompt => {
                let first = ask(&format!("new passphrase of {what}: "))?;
                if *first != *ask("the same again: ")? {
                    bail!("the two passphrases differ; nothing was written");
                }
                first
            }
            Self::File(path) => from_file(path, what)?,
        };
        if passphrase.is_empty() {
            bail!("an empty passphrase protects nothing; choose one");
        }
        Ok(passphrase)
    }
}

fn ask(prompt: &str) -> anyhow::Result<Passphrase> {
    let answer = rpassword::prompt_password(prompt);
    let answer = answer.with_context(|| {
        format!("no terminal to ask for a passphrase on; name a file with it, or set {VARIABLE} to its name")
    })?;
    Ok(Zeroizing::new(answer))
}

fn from_file(path: &Path, what: &str) -> anyhow::Result<Passphrase> {
    let place = || format!("cannot read the passphrase of {what} from {}", path.display());
    let mut bytes = Zeroizing::new(Vec::new());
    let read = if path == Path::new("-") {
        // One line and no more: the next one is the next key's.
        std::io::stdin().lock().take(MAX_BYTES).read_until(b'\n', &mut bytes)
    } else {
        #[expect(clippy::disallowed_methods, reason = "a pipe or descriptor is what people give here")]
        let file = std::fs::File::open(path).with_context(place)?;
        file.take(MAX_BYTES).read_to_end(&mut bytes)
    };
    let is_over = read.with_context(place)? == 0;
    // the bytes must not show in the error
    let Ok(text) = std::str::from_utf8(&bytes) else { bail!("{}: it is not UTF-8", place()) };
    let line = text.lines().next().unwrap_or_default();
    if is_over {
        bail!(
            "{}: nothing is left to read; standard input gives one passphrase a line, in the order of the keys, and a \
             descriptor can be read for one key only",
            place()
        );
    }
    if line.is_empty() {
        bail!("{}: its first line is empty", place());
    }
    Ok(Zeroizing::new(line.to_owned()))
}
