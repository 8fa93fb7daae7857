//! What the policy commands share: the time, and saying the answer.

use std::io::{self, Write as _};
use std::path::PathBuf;

use anyhow::Context as _;
use jiff::{SignedDuration, Timestamp};
use mcpolicy_platform::environment::Environment;
use mcpolicy_schema::envelope::PublicKey;
use mcpolicy_schema::limits::MAX_HEAD_HOURS;
use serde::Serialize;

use crate::authoring::signer::{self, FileSigner, PassphraseSource, Signer, public_key_from, signer_from};
use crate::authoring::source::Source;

/// The time as a parameter, so that tests own it.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct Clock {
    /// Take this for the time
    #[arg(long, value_name = "TIME", hide = true)]
    now: Option<Timestamp>,
}

impl Clock {
    #[allow(clippy::disallowed_methods, reason = "here the time becomes a parameter")]
    pub(super) fn now(&self) -> Timestamp {
        self.now.unwrap_or_else(Timestamp::now)
    }
}

/// Says the answer on standard output; a reader that has seen enough is no error.
pub(super) fn say(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    crate::cli::written(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
}

/// Columns that lines may have: what `COLUMNS` says, else the terminal's. A file or pipe gets lines as they are.
pub(super) fn columns(environment: &Environment) -> usize {
    let told = environment.get("COLUMNS").and_then(|columns| columns.parse().ok());
    let measured = || terminal_size::terminal_size_of(io::stdout()).map(|(width, _)| usize::from(width.0));
    told.or_else(measured).map_or(usize::MAX, |columns: usize| columns.clamp(60, 400))
}

/// Says something that is not the answer; a closed standard error is nobody's loss.
pub(super) fn note(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Says the answer as JSON.
pub(super) fn say_json(value: &impl Serialize) -> anyhow::Result<()> {
    say(&(serde_json::to_string_pretty(value)? + "\n"))
}

/// Who signs.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct Signing {
    /// Private key that signs (PKCS#8 PEM, perhaps with a passphrase); may be repeated
    #[arg(long, value_name = "FILE")]
    key: Vec<PathBuf>,

    /// Program that signs standard input with a key that it holds (a token, a KMS); needs --public-key; may be repeated
    #[arg(long, value_name = "COMMAND")]
    signer: Vec<String>,

    /// Public key of the --signer in the same place: a file (PEM or base64) or the base64 itself
    #[arg(long, value_name = "KEY")]
    public_key: Vec<String>,

    /// File whose first line is the passphrase of the keys; `-` is standard input, one line a key in their order
    /// [default: MCPOLICY_PASSPHRASE_FILE, else asked]
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

impl Signing {
    pub(super) fn passphrase(&self, environment: &Environment) -> PassphraseSource {
        PassphraseSource::of(self.passphrase_file.as_deref(), environment)
    }

    /// The signers, perhaps none.
    pub(super) fn optional(&self, environment: &Environment) -> anyhow::Result<Vec<Box<dyn Signer>>> {
        anyhow::ensure!(
            self.signer.len() == self.public_key.len(),
            "each --signer needs a --public-key, in the same order"
        );
        let passphrase = self.passphrase(environment);
        let mut signers: Vec<Box<dyn Signer>> = Vec::new();
        if let Some(said) = passphrase.exposed().filter(|_| !self.key.is_empty()) {
            note(&said);
        }
        for path in &self.key {
            if let Some(said) = signer::exposed(path, "the key") {
                note(&said);
            }
            signers.push(Box::new(FileSigner::load(path, &passphrase)?));
        }
        for (command, key) in self.signer.iter().zip(&self.public_key) {
            signers.push(signer_from(&format!("command:{command}"), Some(&public_key(key)?), &passphrase)?);
        }
        Ok(signers)
    }

    /// The signers, at least one.
    pub(super) fn signers(&self, environment: &Environment) -> anyhow::Result<Vec<Box<dyn Signer>>> {
        let signers = self.optional(environment)?;
        anyhow::ensure!(
            !signers.is_empty(),
            "nobody signs; give a key with --key, or a program with --signer"
        );
        Ok(signers)
    }
}

/// A public key from a file or from its own text.
pub(super) fn public_key(text: &str) -> anyhow::Result<PublicKey> {
    let path = std::path::absolute(text)?;
    if path.is_file() {
        let read = Source::read(&path)?;
        return public_key_from(&read.text).with_context(|| format!("{} is no public key", path.display()));
    }
    public_key_from(text).with_context(|| {
        format!("{} is neither a file nor a public key in base64", crate::output::text::visible(text))
    })
}

/// A length of time: `24h`, `90d`, `30m`.
pub(super) fn lifetime(text: &str) -> Result<SignedDuration, String> {
    let wrong = || "a length of time is a number with m, h or d: 30m, 24h, 180d".to_owned();
    let unit = text.chars().next_back().ok_or_else(wrong)?;
    let number: i64 = text[..text.len() - unit.len_utf8()].parse().map_err(|_| wrong())?;
    let minutes = match unit {
        'm' => 1,
        'h' => 60,
        'd' => 24 * 60,
        _ => return Err(wrong()),
    };
    // Ten years: more is a slip of the hand, and no key should be trusted as long.
    let minutes = number.checked_mul(minutes).filter(|m| (1..=10 * 366 * 24 * 60).contains(m));
    minutes.map(SignedDuration::from_mins).ok_or_else(wrong)
}

/// A length of time for which machines take a head.
pub(super) fn head_lifetime(text: &str) -> Result<SignedDuration, String> {
    let longest = SignedDuration::from_hours(MAX_HEAD_HOURS);
    lifetime(text).and_then(|life| {
        let days = MAX_HEAD_HOURS / 24;
        let why =
            || format!("machines take no head that is for more than {days} days: renew it daily instead");
        (life <= longest).then_some(life).ok_or_else(why)
    })
}
