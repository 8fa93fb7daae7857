//! `policy.toml`: read, with the place of everything that is wrong.

mod faults;
mod words;

use std::ops::Range;
use std::path::{Path, PathBuf};

use mcpolicy_platform::machine::{Machine, ReadError};
use mcpolicy_schema::document::PolicyDocument;
use mcpolicy_schema::policy::{Fault, Policy};
use serde::de::DeserializeOwned;

use super::folder::HEAD;
use super::place;
use super::problem::{Problem, Weight};

/// Largest policy that is read, in bytes.
const MAX_BYTES: u64 = 8 << 20;

/// Name of the policy in its repository.
pub const FILE_NAME: &str = "policy.toml";

/// A text that somebody wrote, and where it is.
#[derive(Debug, Clone)]
pub struct Source {
    /// The file.
    pub path: PathBuf,
    /// What it says.
    pub text: String,
}

impl Source {
    /// Reads a text file.
    ///
    /// # Errors
    /// It is not there, too large, or not UTF-8.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let path = std::path::absolute(path)?;
        let snapshot = Machine::live().read(&path, None, MAX_BYTES);
        let snapshot = snapshot.map_err(|error| unread(&error, &path, MAX_BYTES))?;
        let text = String::from_utf8(snapshot.bytes)
            .map_err(|error| anyhow::anyhow!("{} {}", path.display(), not_utf8(&error)))?;
        Ok(Self { path, text })
    }

    /// Reads a policy. A folder stands for the `policy.toml` in it.
    ///
    /// # Errors
    /// As [`Source::read`].
    pub fn of_policy(path: &Path) -> anyhow::Result<Self> {
        let mut path = std::path::absolute(path)?;
        if path.is_dir() {
            let folder = path.clone();
            path.push(FILE_NAME);
            anyhow::ensure!(
                path.exists() || !folder.join(HEAD).exists(),
                "{} is a published folder, not a repository; name the policy.N.body in it, or show it with `mcpolicy policy \
                 show {0} --trust-root FILE`",
                folder.display()
            );
        }
        Self::read(&path)
    }

    /// The policy that it is: TOML as people write it, or the JSON of a published body.
    ///
    /// # Errors
    /// What is wrong, with its place.
    pub fn document(&self) -> Result<PolicyDocument, Vec<Problem>> {
        if self.is_json() {
            return serde_json::from_str(&self.text).map_err(|error| {
                let at = offset(&self.text, error.line(), error.column());
                let (message, help) = words::plain(plain(&error.to_string()), &[]);
                let problem = Problem::new(Weight::Error, "syntax", "", message).at(at..at);
                vec![Problem { help, ..problem }]
            });
        }
        self.toml()
    }

    /// What a TOML text says.
    ///
    /// # Errors
    /// Everything in it that does not fit, with its place.
    pub fn toml<T: DeserializeOwned>(&self) -> Result<T, Vec<Problem>> {
        faults::read(&self.text)
    }

    /// The policy, compiled.
    ///
    /// # Errors
    /// Everything that is wrong, with its place.
    pub fn compile(&self) -> Result<Policy, Vec<Problem>> {
        let document = self.document()?;
        Policy::compile(document).map_err(|faults| {
            let mut problems: Vec<Problem> = faults.into_iter().map(Problem::from).collect();
            problems.sort_by_key(|problem| problem.position(self));
            problems
        })
    }

    /// Bytes of what a JSON Pointer names, or of the nearest thing around it that is written.
    pub fn span(&self, pointer: &str) -> Option<Range<usize>> {
        if self.is_json() { None } else { place::span(&self.text, pointer, place::Part::Value) }
    }

    /// As [`Source::span`], but of the name of a member, not of its value.
    pub fn span_of_name(&self, pointer: &str) -> Option<Range<usize>> {
        if self.is_json() { None } else { place::span(&self.text, pointer, place::Part::Name) }
    }

    fn is_json(&self) -> bool {
        self.text.trim_start().starts_with('{')
    }
}

/// Reads a policy document. A folder stands for the `policy.toml` in it.
///
/// # Errors
/// The file cannot be read or does not fit the schema; the message has the line with a caret.
pub fn load(path: &Path) -> anyhow::Result<PolicyDocument> {
    let source = Source::of_policy(path)?;
    source.document().map_err(|problems| refusal(&source, &problems))
}

/// Reads and compiles a policy.
///
/// # Errors
/// As [`load`], and everything that is wrong in it.
pub fn compile(source: &Source) -> anyhow::Result<Policy> {
    source.compile().map_err(|problems| refusal(source, &problems))
}

/// Problems as the one error that ends a command.
fn refusal(source: &Source, problems: &[Problem]) -> anyhow::Error {
    let shown = super::problem::render(problems, source);
    let n = problems.len();
    anyhow::anyhow!(
        "{} is no valid policy ({n} {}); mend the place shown\n{}",
        source.path.display(),
        if n == 1 { "fault" } else { "faults" },
        shown.trim_end()
    )
}

/// Why a file was not read, and how large it may be.
pub(crate) fn unread(error: &ReadError, path: &Path, most: u64) -> anyhow::Error {
    let limit = match error {
        ReadError::TooLarge { .. } => format!("; at most {most} bytes are read"),
        _ => String::new(),
    };
    anyhow::anyhow!("cannot read {}: {error}{limit}", path.display())
}

/// Where a text stops being UTF-8, and what to do.
fn not_utf8(error: &std::string::FromUtf8Error) -> String {
    let bytes = error.as_bytes();
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return "is UTF-16; save it as UTF-8 (in PowerShell: `Set-Content -Encoding utf8`)".to_owned();
    }
    let before = &bytes[..error.utf8_error().valid_up_to()];
    let line = before.split(|byte| *byte == b'\n').count();
    format!("is not UTF-8 from line {line} on; save it as UTF-8")
}

/// The message of serde_json without its own " at line 1 column 2".
fn plain(message: &str) -> &str {
    message.rfind(" at line ").map_or(message, |end| &message[..end])
}

/// Byte offset of a line and column, both from 1.
fn offset(text: &str, line: usize, column: usize) -> usize {
    let start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    (start + column.saturating_sub(1)).min(text.len())
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        let problem = Self::new(Weight::Error, "invalid", fault.place, fault.message);
        Self { of_name: fault.of_name, ..problem }
    }
}
