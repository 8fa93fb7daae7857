//! Parts of a policy in words for people.

use std::fmt::Display;

use mcpolicy_schema::document::{
    Ecosystem, IdentityMatcher, ImageMatcher, Mode, PackageMatcher, ToolClass, UrlMatcher,
};

/// What a rule is about, in a few words.
pub fn identity(matcher: &IdentityMatcher) -> String {
    use IdentityMatcher as M;
    match matcher {
        M::Npm(p) => package("npm", p),
        M::Pypi(p) => package("pypi", p),
        M::Dotnet(p) => package("dotnet", p),
        M::Go(p) => package("go", p),
        M::Deno(p) => package("deno", p),
        M::Oci(image) => oci(image),
        M::Git(git) => format!("git {} at {}", git.repository, list(&git.commits, "any commit")),
        M::Url(at) => url(at),
        M::Bridge(b) => {
            let mut to = b.targets.clone();
            if b.approved_targets {
                to.push("every URL that a rule allows".to_owned());
            }
            let ecosystem = ecosystem(b.ecosystem);
            format!("bridge {ecosystem} {} {} to {}", b.package, b.versions, list(&to, "nothing"))
        }
        M::Executable(e) => format!("executable {}{}", e.path, digests(&e.sha256)),
        M::Script(s) => format!("script {} {}{}", s.interpreter, s.path, digests(&s.sha256)),
        M::Opaque(o) => format!("command {}", o.argv.join(" ")),
        M::Builtin(name) => format!("builtin {name}"),
        M::Any {} => "anything".to_owned(),
    }
}

fn package(kind: &str, package: &PackageMatcher) -> String {
    format!("{kind} {} {}", package.package, package.versions)
}

fn oci(image: &ImageMatcher) -> String {
    let short = |d: &String| d.chars().take(19).collect::<String>();
    let mut marks: Vec<String> = image.digests.iter().map(short).collect();
    marks.extend(image.tags.iter().map(|tag| format!(":{tag}")));
    format!("oci {} {}", image.image, list(&marks, "any digest"))
}

fn url(at: &UrlMatcher) -> String {
    let mut text = format!("url {}", at.url);
    let query: Vec<String> = at
        .query
        .iter()
        .map(|(name, value)| {
            let must = if at.required.contains(name) { "" } else { " or without it" };
            format!("{name}=\"{value}\"{must}")
        })
        .collect();
    if !query.is_empty() {
        text.push_str(&format!(" with the query {}", query.join(", ")));
    }
    if !at.subpaths.is_empty() {
        text.push_str(&format!(" and {}", list(&at.subpaths, "")));
    }
    if let Some(listener) = &at.listener {
        text.push_str(&format!(" of {}{}", listener.path, digests(&listener.sha256)));
    }
    text
}

fn digests(sha256: &[String]) -> String {
    match sha256 {
        [] => String::new(),
        [one] => format!(" sha256:{}", one.chars().take(12).collect::<String>()),
        many => format!(" ({} digests)", many.len()),
    }
}

/// The word of an ecosystem in a policy.
fn ecosystem(ecosystem: Ecosystem) -> &'static str {
    match ecosystem {
        Ecosystem::Npm => "npm",
        Ecosystem::Pypi => "pypi",
        Ecosystem::Dotnet => "dotnet",
        Ecosystem::Cargo => "cargo",
        Ecosystem::Go => "go",
        Ecosystem::Deno => "deno",
        Ecosystem::Executable => "executable",
    }
}

/// The word of a mode in a policy.
pub fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Observe => "observe",
        Mode::Warn => "warn",
        Mode::Hold => "hold",
        Mode::Enforce => "enforce",
    }
}

/// The word of a class of tools in a policy.
pub fn tool_class(class: ToolClass) -> &'static str {
    match class {
        ToolClass::Read => "read",
        ToolClass::Write => "write",
        ToolClass::Never => "never",
    }
}

/// A number of things.
pub fn counted<N: Copy + Display + PartialEq + From<u8>>(n: N, one: &str, many: &str) -> String {
    let word = if n == N::from(1) { one } else { many };
    format!("{n} {word}")
}

/// Items with commas between, or a word for none.
pub fn list<T: Display>(items: &[T], none: &str) -> String {
    if items.is_empty() {
        return none.to_owned();
    }
    let items: Vec<String> = items.iter().map(ToString::to_string).collect();
    items.join(", ")
}
