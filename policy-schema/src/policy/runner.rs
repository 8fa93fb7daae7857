//! What is known of runners: their kinds, the arguments that change nothing of what runs, the places they lie in.

use crate::document::{Ecosystem, Registries};
use crate::evaluate::System;
use crate::pattern::Pattern;

/// Arguments of a runner that change nothing of what runs, or whose value is judged elsewhere: the packages of
/// `--package`, `--from` and `--with` are part of the identity, the variables of `-e` are judged as environment.
///
/// npm 11, Bun 1.3, pnpm 10, Yarn 4, uv 0.9, pipx 1.8, Docker 29, Podman 5.
pub(crate) fn harmless(runner: &str) -> &'static [&'static str] {
    match runner {
        "npx" | "npm exec" => {
            &["-y", "--yes", "-q", "--quiet", "--silent", "--package *", "-p *", "--loglevel *", "--"]
        }
        "bunx" | "bun x" | "pnpx" | "pnpm dlx" | "yarn dlx" => {
            &["-y", "--yes", "--silent", "-q", "--quiet", "--verbose", "--package *", "-p *", "--"]
        }
        "uvx" | "uv tool run" | "pipx run" => &[
            "-q",
            "--quiet",
            "-v",
            "--verbose",
            "--from *",
            "--spec *",
            "--with *",
            "-w *",
            "--no-progress",
            "--no-color",
            "--refresh",
            "-U",
            "--upgrade",
            "--isolated",
            "--no-config",
            "--",
        ],
        "uv run" => &["-q", "--quiet", "--no-progress", "--no-config", "--with *", "--"],
        "docker run" | "podman run" | "nerdctl run" => &[
            "-i",
            "--interactive",
            "-t",
            "--tty",
            "-it",
            "-ti",
            "--rm",
            "--init",
            "-q",
            "--quiet",
            "--pull *",
            "--name *",
            "-e *",
            "-e**",
            "--env *",
            "--read-only",
            "--",
        ],
        "dnx" | "dotnet tool exec" | "dotnet tool run" => {
            &["-y", "--yes", "--version *", "-v *", "--verbosity *", "--"]
        }
        "go run" | "cargo run" => &["-q", "--quiet", "--"],
        // without its configuration it takes nothing from the directory
        "deno run" => &["-q", "--quiet", "--no-prompt", "--no-config", "--"],
        "node" | "nodejs" | "bun" => &["--no-warnings", "--enable-source-maps", "--"],
        name if name.starts_with("python") || name == "py" => &["-u", "-B", "-I", "-E", "-s", "-q", "--"],
        _ => &[],
    }
}

/// Flags by which a runner is told a registry, and the registries that a policy counts as default.
pub(crate) fn registry_flags<'r>(
    runner: &str,
    registries: &'r Registries,
) -> (&'static [&'static str], &'r [String]) {
    match runner {
        "npx" | "npm exec" | "bunx" | "bun x" | "pnpx" | "pnpm dlx" | "yarn dlx" => {
            (&["--registry"], &registries.npm)
        }
        "uvx" | "uv tool run" | "uv run" | "pipx run" => {
            (&["--index-url", "-i", "--default-index", "--index"], &registries.pypi)
        }
        "dnx" | "dotnet tool exec" | "dotnet tool run" => (&["--source"], &registries.dotnet),
        _ => (&[], &[]),
    }
}

/// Runners of an ecosystem that a rule means if it names none.
pub(crate) fn usual(ecosystem: Ecosystem) -> &'static [&'static str] {
    match ecosystem {
        Ecosystem::Npm => &["npx", "npm exec", "bunx", "bun x", "pnpx", "pnpm dlx", "yarn dlx", "deno run"],
        Ecosystem::Pypi => &["uvx", "uv tool run", "pipx run"],
        Ecosystem::Dotnet => &["dnx", "dotnet tool exec", "dotnet tool run"],
        Ecosystem::Cargo => &["cargo run"],
        Ecosystem::Go => &["go run"],
        Ecosystem::Deno => &["deno run"],
        Ecosystem::Executable => &[],
    }
}

/// Directories that only administrators can write, with everything below them for the last ones of Windows.
const UNIX_PLACES: [&str; 8] = [
    "/usr/bin/*",
    "/bin/*",
    "/usr/local/bin/*",
    "/usr/sbin/*",
    "/sbin/*",
    "/usr/local/sbin/*",
    "/snap/bin/*",
    "/usr/lib/**",
];
const WINDOWS_PLACES: [&str; 3] =
    ["c:/windows/system32/**", "c:/program files/**", "c:/program files (x86)/**"];

/// Places in which a runner may lie.
#[derive(Debug, Clone, Default)]
pub(crate) struct Roots {
    unix: Vec<Pattern>,
    windows: Vec<Pattern>,
}

impl Roots {
    pub(crate) fn new(extra: &[String]) -> Self {
        let below = |root: &String| {
            let root = root.replace('\\', "/");
            let root = root.strip_prefix('~').map_or(root.clone(), |rest| format!("{{home}}{rest}"));
            format!("{}/*", root.trim_end_matches('/'))
        };
        let extra: Vec<String> = extra.iter().map(below).collect();
        let all = |system: &[&str], lower: bool| {
            let extra = extra.iter().map(|e| {
                let text = if lower { e.to_ascii_lowercase() } else { e.clone() };
                Pattern::new(&text)
            });
            system.iter().map(|p| Pattern::new(p)).chain(extra).collect()
        };
        Self { unix: all(&UNIX_PLACES, false), windows: all(&WINDOWS_PLACES, true) }
    }

    /// Whether a program as written may be a runner: named bare, or by a path in one of the places.
    pub(crate) fn admit(&self, program: &str, system: System, home: Option<&str>) -> bool {
        if !program.contains(['/', '\\']) {
            return true;
        }
        let lower = |text: &str| text.replace('\\', "/").to_ascii_lowercase();
        if system == System::Windows {
            let home = home.map(lower);
            let program = lower(program);
            return self.windows.iter().any(|p| p.admits_value(&program, home.as_deref()));
        }
        !program.contains("//") && self.unix.iter().any(|p| p.admits_value(program, home))
    }
}

/// Whether a program as written is the one that a runner's name means: its file name is just that name. Elsewhere
/// than on Windows `NPX` and `npx.cmd` are other files.
pub(crate) fn is_named(program: &str, runner: &str, system: System) -> bool {
    let wanted = runner.split(' ').next().unwrap_or(runner);
    let base = program.rsplit(['/', '\\']).next().unwrap_or(program);
    if system != System::Windows {
        return base == wanted;
    }
    let base = base.to_ascii_lowercase();
    [".exe", ".cmd", ".bat"].iter().find_map(|end| base.strip_suffix(end)).unwrap_or(&base) == wanted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runner_is_one_when_bare_or_in_a_known_place() {
        let roots = Roots::new(&["/opt/homebrew/bin".to_owned(), "~/.nvm/versions/node/*/bin".to_owned()]);
        let admit = |program| roots.admit(program, System::Linux, Some("/home/jane"));
        for program in
            ["npx", "/usr/bin/npx", "/opt/homebrew/bin/npx", "/home/jane/.nvm/versions/node/v22.1.0/bin/npx"]
        {
            assert!(admit(program), "{program}");
        }
        for program in [
            "./npx",
            "/tmp/npx",
            "/usr/bin/../../tmp/npx",
            "/usr/bin/x/npx",
            "/home/eve/.nvm/versions/node/v1/bin/npx",
        ] {
            assert!(!admit(program), "{program}");
        }
        assert!(roots.admit(r"C:\Program Files\nodejs\npx.cmd", System::Windows, None));
        assert!(!roots.admit(r"C:\Users\jane\npx.cmd", System::Windows, None));
    }

    #[test]
    fn case_and_endings_count_except_on_windows() {
        assert!(is_named("npx", "npx", System::Linux));
        assert!(!is_named("NPX", "npx", System::Macos));
        assert!(!is_named("npx.cmd", "npx", System::Linux));
        assert!(is_named("NPX.CMD", "npx", System::Windows));
        assert!(is_named("/usr/bin/uv", "uv tool run", System::Linux));
    }
}
