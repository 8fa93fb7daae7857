//! Files that are a client's own by their names and the folders right above them, wherever in a home they lie: the folder
//! that they stand for may be the value of a variable that somebody only types.

use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

use mcpolicy_clients::location::{ANY_OS, LINUX, Os};

use super::unknown;

/// The file by which direnv sets variables for whoever enters its folder.
pub const ENVIRONMENT: &str = ".envrc";

/// A name that no other file has.
struct Named {
    /// The end of the path: what the client adds to its folder.
    end: &'static [&'static str],
    /// The variable whose value the folder is.
    variable: &'static str,
    /// Where the variable is looked at.
    os: &'static [Os],
    /// Where the client looks without the variable, below the home.
    usual: &'static str,
}

/// Names like `config.toml`, `settings.json` or `mcp.json` are those of many programs, and stay out.
const NAMED: &[Named] = &[
    Named { end: &[".claude.json"], variable: "CLAUDE_CONFIG_DIR", os: ANY_OS, usual: "" },
    Named {
        end: &["settings", "cline_mcp_settings.json"],
        variable: "CLINE_DATA_DIR",
        os: ANY_OS,
        usual: ".cline/data",
    },
    Named {
        end: &["Claude", "claude_desktop_config.json"],
        variable: "XDG_CONFIG_HOME",
        os: LINUX,
        usual: ".config",
    },
    Named { end: &["Code", "User", "mcp.json"], variable: "XDG_CONFIG_HOME", os: LINUX, usual: ".config" },
];

/// Whether a path ends like one of them.
pub fn is_named(path: &Path) -> bool {
    NAMED.iter().any(|named| folder_of(path, named).is_some())
}

/// The variable that would lead a client to this file, with its value; none where the client looks anyway.
pub fn moved_by(path: &Path, home: &Path, os: Os) -> Option<(&'static str, PathBuf)> {
    let (named, folder) = NAMED.iter().find_map(|named| Some((named, folder_of(path, named)?)))?;
    let is_usual = folder == home.join(named.usual).as_path();
    (!is_usual && named.os.contains(&os)).then(|| (named.variable, folder.to_owned()))
}

/// The folder to which a client adds this name.
fn folder_of<'p>(path: &'p Path, named: &Named) -> Option<&'p Path> {
    let mut folder = path;
    for part in named.end.iter().rev() {
        if folder.file_name()? != OsStr::new(part) {
            return None;
        }
        folder = folder.parent()?;
    }
    Some(folder)
}

/// Whether a file is there to be shown or tested: in a folder of such a name in a work tree of Git, `git` says of what. A
/// client that is started on it is started on a copy that somebody made for that.
pub fn is_shown(path: &Path, home: &Path, git: impl Fn(&Path) -> bool) -> bool {
    let Ok(below) = path.strip_prefix(home) else { return false };
    let shows =
        |part: Component<'_>| part.as_os_str().to_str().is_some_and(|name| unknown::SHOWN.contains(&name));
    let folders = below.parent().unwrap_or(below);
    folders.components().any(shows) && path.ancestors().skip(1).take_while(|folder| *folder != home).any(git)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_its_own_says_which_variable_would_lead_there() {
        let home = Path::new("/home/dev");
        let moved = |path: &str| moved_by(&home.join(path), home, Os::Linux);
        assert_eq!(moved("cc/.claude.json"), Some(("CLAUDE_CONFIG_DIR", home.join("cc"))));
        assert_eq!(moved("x/Code/User/mcp.json"), Some(("XDG_CONFIG_HOME", home.join("x"))));
        for usual in
            [".claude.json", ".config/Code/User/mcp.json", "x/mcp.json", "x/config.toml", "x/claude.json"]
        {
            assert_eq!(moved(usual), None, "{usual}");
        }
        assert_eq!(moved_by(&home.join("x/Code/User/mcp.json"), home, Os::Windows), None);
    }

    #[test]
    fn what_a_repository_shows_or_tests_is_no_clients_own() {
        let home = Path::new("/home/dev");
        let git = |folder: &Path| folder == Path::new("/home/dev/src/p");
        let shown = |path: &str| is_shown(&home.join(path), home, git);
        assert!(shown("src/p/tests/fixtures/.claude.json"));
        assert!(!shown("src/p/home/.claude.json"), "nothing says that it is shown");
        assert!(!shown("tests/.claude.json"), "no work tree");
    }
}
