//! What the walk of a home does not enter: stores of packages and caches, where nobody opens a project.
//!
//! A vendored file inside them is what somebody else's package brought; it counts only if a client remembers having
//! opened it as a project. Names are the stores' own.

use std::ffi::OsStr;
use std::path::Path;

/// Directories of a live machine's top that hold no files of clients, but processes, devices and sockets. No worker reads
/// them.
pub const NOT_READ: [&str; 5] = ["boot", "dev", "proc", "run", "sys"];

/// Directories by name, wherever they stand.
const ANYWHERE: &[&str] = &[
    ".bundle",
    ".bzr",
    ".cache",
    ".cargo",
    ".ccache",
    ".conan",
    ".conda",
    ".dart_tool",
    ".deno",
    ".eggs",
    ".git",
    ".gradle",
    ".hg",
    ".ivy2",
    ".jj",
    ".m2",
    ".mypy_cache",
    ".next",
    ".npm",
    ".nuget",
    ".nuxt",
    ".nvm",
    ".parcel-cache",
    ".pnpm-store",
    ".pub-cache",
    ".pyenv",
    ".pytest_cache",
    ".rbenv",
    ".ruff_cache",
    ".rustup",
    ".sbt",
    ".sdkman",
    ".stack",
    ".svelte-kit",
    ".svn",
    ".terraform",
    ".tox",
    ".nox",
    ".turbo",
    ".venv",
    ".virtualenvs",
    ".yarn",
    "__pycache__",
    "_cacache",
    "bower_components",
    "DerivedData",
    "jspm_packages",
    "node_modules",
    "Pods",
    "site-packages",
    ".Trash",
    ".Trashes",
    "$RECYCLE.BIN",
    "System Volume Information",
    ".snapshots",
    ".zfs",
];

/// Directories below the home, by path.
const IN_HOME: &[&str] = &[
    "go/pkg",
    ".local/share/Trash",
    ".local/share/containers",
    ".local/share/flatpak",
    ".local/share/pnpm",
    ".local/share/uv",
    ".local/share/virtualenvs",
    ".local/pipx",
    ".local/lib",
    ".docker",
    "Library/Caches",
    "Library/Logs",
    "Library/Developer",
    "AppData/Local/Temp",
    "AppData/Local/npm-cache",
    "AppData/Local/pnpm",
    "AppData/Local/Microsoft",
];

/// Directories of a client's own folder in the home that its plugin locations cover.
const OF_CLIENTS: &[&str] =
    &["plugins", "extensions", "installed-plugins", "backups", "file-history", "shell-snapshots"];

/// The folders of clients that have such directories.
const CLIENT_FOLDERS: &[&str] = &[
    ".antigravity",
    ".claude",
    ".codex",
    ".copilot",
    ".cursor",
    ".cursor-server",
    ".gemini",
    ".kiro",
    ".qwen",
    ".trae",
    ".vscode",
    ".vscode-insiders",
    ".vscode-oss",
    ".vscode-server",
    ".windsurf",
];

/// Whether the walk stays out of a directory.
pub fn is_pruned(directory: &Path, home: &Path) -> bool {
    let Some(name) = directory.file_name().and_then(OsStr::to_str) else { return false };
    if ANYWHERE.contains(&name) {
        return true;
    }
    match name {
        // Directories that only their content gives away.
        "venv" | "env" => has(directory, "pyvenv.cfg"),
        "target" => has(directory, "CACHEDIR.TAG"),
        "vendor" => has(directory, "modules.txt"),
        _ => is_pruned_in_home(directory, name, home),
    }
}

/// Whether a regular file of this name stands there. A link is none: one of an image leads to whatever this host has.
fn has(directory: &Path, name: &str) -> bool {
    directory.join(name).symlink_metadata().is_ok_and(|found| found.is_file())
}

fn is_pruned_in_home(directory: &Path, name: &str, home: &Path) -> bool {
    let Ok(below) = directory.strip_prefix(home) else { return false };
    if OF_CLIENTS.contains(&name) {
        let mut components = below.components();
        let first = components
            .next()
            .is_some_and(|c| c.as_os_str().to_str().is_some_and(|c| CLIENT_FOLDERS.contains(&c)));
        if first && components.count() == 1 {
            return true;
        }
    }
    IN_HOME.iter().any(|path| Path::new(path) == below)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn package_stores_are_left_out_and_projects_are_not() {
        let home = Path::new("/home/dev");
        for pruned in ["src/a/node_modules", "go/pkg", ".claude/plugins", "x/.git", ".vscode/extensions"] {
            assert!(is_pruned(&home.join(pruned), home), "{pruned}");
        }
        for kept in [
            "src",
            "src/go/pkg",
            "src/plugins",
            ".claude",
            "src/a/.claude/plugins",
            ".config",
            "work/.cursor",
        ] {
            assert!(!is_pruned(&home.join(kept), home), "{kept}");
        }
    }
}
