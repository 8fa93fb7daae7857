//! What the commands that work on stored reports share: policies, reports, progress, and what is said of bad input.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};
use mcpolicy_schema::limits::MAX_REVOCATIONS_BODY_BYTES;
use mcpolicy_schema::policy::Policy;
use mcpolicy_schema::revocations::Revocations;

use crate::authoring::reports;
use crate::authoring::source::{self, Source};
use crate::cli::{complain, exit};
use crate::output::text::visible;
use crate::policy_store::published;

/// The reports that a command works on.
#[derive(Debug, clap::Args)]
pub(super) struct Reports {
    /// Reports of `mcpolicy scan --format json`: files, folders of them, files with one report a line, `-` for standard
    /// input
    #[arg(required = true, value_name = "REPORT")]
    pub(super) reports: Vec<PathBuf>,
}

/// Reads and compiles a policy.
///
/// # Errors
/// It cannot be read, or something in it is wrong.
pub(super) fn policy(path: &Path) -> anyhow::Result<Policy> {
    source::compile(&Source::of_policy(path)?)
}

/// Reads and compiles revocations. Unverified: they can only deny, and only in an answer.
///
/// # Errors
/// The file cannot be read, or something in it is wrong.
pub(super) fn revocations(path: &Path) -> anyhow::Result<Revocations> {
    let bytes = published::read_file(path, MAX_REVOCATIONS_BODY_BYTES)?;
    let bytes = bytes.with_context(|| format!("there is no revocations list at {}", path.display()))?;
    let wrong = || format!("{} is no revocations list; name a revocations.N.body", path.display());
    let document = mcpolicy_schema::json::from_slice(&bytes).with_context(wrong)?;
    Revocations::compile(document).map_err(|faults| {
        let first =
            faults.first().map_or_else(String::new, |fault| format!("{}: {}", fault.place, fault.message));
        anyhow::anyhow!("{}: {}", wrong(), visible(&first))
    })
}

/// How far the reading of reports has come; on a terminal only.
pub(super) struct Progress(ProgressBar);

impl Progress {
    pub(super) fn new() -> Self {
        let bar = ProgressBar::new(0);
        if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} files, {eta} left") {
            bar.set_style(style);
        }
        Self(bar)
    }

    pub(super) fn tell(&self, done: u64, all: u64) {
        if self.0.length() != Some(all) {
            self.0.set_length(all);
        }
        self.0.inc(done);
    }

    pub(super) fn clear(&self) {
        self.0.finish_and_clear();
    }
}

/// Says what was no report. The exit code for an answer that leaves something out.
pub(super) fn tell_problems(problems: &[reports::Problem]) -> u8 {
    for problem in problems {
        complain(&format!("mcpolicy: {}: {}", visible(&problem.place), visible(&problem.what)));
    }
    if problems.is_empty() { exit::OK } else { exit::PARTIAL }
}

/// Writes the answer to standard output; a reader that has seen enough is nobody's loss.
///
/// # Errors
/// It cannot be written.
pub(super) fn answer(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> anyhow::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    crate::cli::written(write(&mut out).and_then(|()| out.flush()))
}

/// Writes the answer to a file that the user named. What is no regular file (a pipe, a terminal, `/dev/stdout`) is
/// written through, never replaced; a file that is there is kept, unless it may be replaced.
///
/// # Errors
/// It is there, or cannot be written.
pub(super) fn write_output(path: &Path, text: &str, may_replace: bool) -> anyhow::Result<()> {
    let failed = || format!("cannot write {}", path.display());
    match std::fs::metadata(path) {
        Ok(there) if there.is_dir() => anyhow::bail!("{} is a folder; name a file", path.display()),
        Ok(there) if !there.is_file() => {
            let mut out = std::fs::OpenOptions::new().write(true).open(path).with_context(failed)?;
            return out.write_all(text.as_bytes()).and_then(|()| out.flush()).with_context(failed);
        }
        Ok(_) if !may_replace => anyhow::bail!(
            "{} is there already and was not changed; name another file, or replace it with --force",
            path.display()
        ),
        _ => {}
    }
    write_file(path, text)
}

/// Writes a file whole or not at all: a new one takes the old one's place.
///
/// # Errors
/// It cannot be written; the old one is then unchanged.
pub(super) fn write_file(path: &Path, text: &str) -> anyhow::Result<()> {
    let target = std::fs::canonicalize(path).or_else(|_| std::path::absolute(path))?;
    let written = || -> io::Result<()> {
        let directory = target.parent().ok_or(io::ErrorKind::InvalidInput)?;
        let mut file = tempfile::NamedTempFile::new_in(directory).map_err(|e| io::Error::from(e.kind()))?;
        file.write_all(text.as_bytes())?;
        if let Ok(there) = std::fs::metadata(&target) {
            file.as_file().set_permissions(there.permissions())?;
        }
        file.as_file().sync_all()?;
        file.persist(&target).map(drop).map_err(|e| io::Error::from(e.error.kind()))
    };
    written().with_context(|| format!("cannot write {}", path.display()))
}
