//! `policy.toml`: read, with the place of everything that is wrong.

use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use mcpolicy_platform::machine::Machine;
use mcpolicy_schema::document::PolicyDocument;
use mcpolicy_schema::policy::{Fault, Policy};

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
        let snapshot = snapshot.with_context(|| format!("cannot read {}", path.display()))?;
        let text =
            String::from_utf8(snapshot.bytes).with_context(|| format!("{} is not UTF-8", path.display()))?;
        Ok(Self { path, text })
    }

    /// Reads a policy. A folder stands for the `policy.toml` in it.
    ///
    /// # Errors
    /// As [`Source::read`].
    pub fn of_policy(path: &Path) -> anyhow::Result<Self> {
        let mut path = std::path::absolute(path)?;
        if path.is_dir() {
            path.push(FILE_NAME);
        }
        Self::read(&path)
    }

    /// The policy that it is: TOML as people write it, or the JSON of a published body.
    ///
    /// # Errors
    /// What is wrong, with its place.
    pub fn document(&self) -> Result<PolicyDocument, Problem> {
        if self.is_json() {
            return serde_json::from_str(&self.text).map_err(|error| {
                let at = offset(&self.text, error.line(), error.column());
                Problem::new(Weight::Error, "syntax", "", plain(&error.to_string())).at(at..at)
            });
        }
        toml::from_str(&self.text).map_err(|error| self.of_toml(&error))
    }

    /// The policy, compiled.
    ///
    /// # Errors
    /// Everything that is wrong, with its place.
    pub fn compile(&self) -> Result<Policy, Vec<Problem>> {
        let document = self.document().map_err(|problem| vec![problem])?;
        Policy::compile(document).map_err(|faults| {
            let mut problems: Vec<Problem> = faults.into_iter().map(Problem::from).collect();
            problems.sort_by_key(|problem| problem.position(self));
            problems
        })
    }

    /// An error of the parser as a problem.
    pub fn of_toml(&self, error: &toml::de::Error) -> Problem {
        let problem = Problem::new(Weight::Error, "syntax", "", error.message().trim());
        match error.span() {
            Some(span) => problem.at(span),
            None => problem,
        }
    }

    /// Bytes of what a JSON Pointer names, or of the nearest thing around it that is written.
    pub fn span(&self, pointer: &str) -> Option<Range<usize>> {
        if self.is_json() { None } else { place::span(&self.text, pointer) }
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
    source.document().map_err(|problem| refusal(&source, &[problem]))
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
        Self::new(Weight::Error, "invalid", fault.place, fault.message)
    }
}
