//! The layout of a policy repository.

use std::path::{Path, PathBuf};

use super::folder::Folder;
use super::source;
use super::table;

/// A repository made by `policy init`.
#[derive(Debug, Clone)]
pub struct Repository {
    /// Its folder.
    pub path: PathBuf,
}

impl Repository {
    /// The repository at a path; its `policy.toml` stands for the folder that it is in. Another file does not: what is
    /// signed is always `policy.toml`, never a file beside it.
    ///
    /// # Errors
    /// The path is none, or is another file.
    pub fn at(path: &Path) -> anyhow::Result<Self> {
        let full = std::path::absolute(path)?;
        anyhow::ensure!(
            !full.exists() || full.is_dir() || full.file_name().is_some_and(|name| name == source::FILE_NAME),
            "{} is neither a repository nor its {name}; name the folder, and put what is meant into its {name}",
            path.display(),
            name = source::FILE_NAME
        );
        Self::around(&full)
    }

    /// The repository that a policy lies in, whatever its name.
    ///
    /// # Errors
    /// The path is none.
    pub fn around(path: &Path) -> anyhow::Result<Self> {
        let path = std::path::absolute(path)?;
        let path = if path.is_file() { path.parent().unwrap_or(&path).to_owned() } else { path };
        Ok(Self { path })
    }

    /// The policy.
    pub fn policy(&self) -> PathBuf {
        self.path.join(source::FILE_NAME)
    }

    /// The test table.
    pub fn tests(&self) -> PathBuf {
        self.path.join(table::FILE_NAME)
    }

    /// The chain of roots.
    ///
    /// # Errors
    /// The path is none.
    pub fn trust(&self) -> anyhow::Result<Folder> {
        Folder::at(&self.path.join("trust"))
    }

    /// Statements on their way from signer to signer.
    ///
    /// # Errors
    /// The path is none.
    pub fn signed(&self) -> anyhow::Result<Folder> {
        Folder::at(&self.path.join("signed"))
    }
}
