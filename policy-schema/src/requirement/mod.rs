//! Version requirements: whether every version that a request may resolve to is one that a rule means.
//!
//! A doubt is always `Some`: an entry is allowed only where `All` is proved.

mod npm;
mod python;
#[cfg(test)]
mod tests;

use std::sync::OnceLock;

use crate::document::Ecosystem;

/// How a request lies to a requirement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Admits {
    /// Every version that it may resolve to is meant.
    All,
    /// Some may be meant and some not, or it cannot be told.
    Some,
    /// Certainly none is meant.
    None,
}

/// A version requirement of one ecosystem.
#[derive(Debug, Clone)]
pub struct Requirement {
    syntax: Syntax,
    text: String,
    /// The one version that is meant; told only where somebody asks, since few of a policy's rules are ever asked.
    exact: OnceLock<Option<String>>,
}

#[derive(Debug, Clone)]
enum Syntax {
    /// `*`.
    Any(Ecosystem),
    /// npm and JSR.
    Npm(npm::Range),
    /// PEP 440.
    Python(python::Specifiers),
    /// One version, compared in this form.
    Exact(Ecosystem),
}

impl Requirement {
    /// Reads a requirement in the ecosystem's own syntax; `*` is any version.
    ///
    /// # Errors
    /// What is wrong with it, in words for the author of a policy.
    pub fn parse(ecosystem: Ecosystem, text: &str) -> Result<Self, String> {
        let text = text.trim();
        let syntax = Syntax::parse(ecosystem, text)?;
        Ok(Self { syntax, text: text.to_owned(), exact: OnceLock::new() })
    }

    /// Judges what an entry asks for: `None` is no version at all, a tag may be any version.
    pub fn admits(&self, asked: Option<&str>) -> Admits {
        match (&self.syntax, asked) {
            (Syntax::Any(_), None) => Admits::All,
            // Any version, but not whatever stands in its place: a runner may take that for a path.
            (Syntax::Any(ecosystem), Some(asked)) if is_request(*ecosystem, asked) => Admits::All,
            (Syntax::Any(_), Some(_)) | (_, None) => Admits::Some,
            (Syntax::Npm(range), Some(asked)) => range.admits(asked),
            (Syntax::Python(specifiers), Some(asked)) => specifiers.admits(asked),
            (Syntax::Exact(ecosystem), Some(asked)) => {
                let meant = one_version(*ecosystem, &self.text);
                match one_version(*ecosystem, asked) {
                    None => Admits::Some,
                    asked if asked == meant => Admits::All,
                    _ => Admits::None,
                }
            }
        }
    }

    /// Whether certainly no version is meant (`>2 <1`): a rule with it allows nothing, a denial denies nothing.
    pub fn is_empty(&self) -> bool {
        match &self.syntax {
            Syntax::Npm(range) => range.is_empty(),
            Syntax::Python(specifiers) => specifiers.is_empty(),
            Syntax::Any(_) | Syntax::Exact(_) => false,
        }
    }

    /// The one version that is meant, if it is one.
    pub fn exact(&self) -> Option<&str> {
        let tell = || match &self.syntax {
            Syntax::Any(_) => None,
            Syntax::Npm(_) => npm::exact(&self.text).map(|version| version.to_string()),
            Syntax::Python(specifiers) => specifiers.exact().map(|version| version.to_string()),
            Syntax::Exact(_) => Some(self.text.clone()),
        };
        self.exact.get_or_init(tell).as_deref()
    }
}

impl Syntax {
    fn parse(ecosystem: Ecosystem, text: &str) -> Result<Self, String> {
        if text == "*" {
            return Ok(Self::Any(ecosystem));
        }
        if text.is_empty() {
            return Err("versions is empty: write `*` for any version".to_owned());
        }
        match ecosystem {
            Ecosystem::Npm | Ecosystem::Deno => npm::Range::parse(text).map(Self::Npm).ok_or_else(|| {
                format!(
                    "`{text}` is no version range of npm: write for example `1.2.3`, `^1.2.3` or `>=1.2.3 <2`"
                )
            }),
            Ecosystem::Pypi => python::Specifiers::parse(text).map(Self::Python).ok_or_else(|| {
                format!(
                    "`{text}` is no version specifier of Python: write for example `==1.2.3` or `>=1.2,<2`"
                )
            }),
            Ecosystem::Dotnet | Ecosystem::Go => match one_version(ecosystem, text) {
                Some(_) => Ok(Self::Exact(ecosystem)),
                None if ecosystem == Ecosystem::Go => Err(format!(
                    "`{text}` is no exact version of a Go module: write one such as `v1.2.3`, or `*`"
                )),
                None => Err(format!(
                    "`{text}` is no exact NuGet version: write one such as `1.2.3`, or `*`; ranges are not read"
                )),
            },
            Ecosystem::Cargo | Ecosystem::Executable => {
                Err("nothing in a command line names a version here: write `*`".to_owned())
            }
        }
    }
}

/// Whether a text asks for versions of a package and can be taken for nothing else.
fn is_request(ecosystem: Ecosystem, asked: &str) -> bool {
    match ecosystem {
        Ecosystem::Npm | Ecosystem::Deno => is_npm_request(asked),
        Ecosystem::Pypi => asked == "latest" || python::Specifiers::parse(asked).is_some(),
        // Neither Go nor NuGet looks for a version in a directory.
        Ecosystem::Dotnet | Ecosystem::Go => {
            asked.bytes().all(|b| b.is_ascii_graphic()) && !asked.contains('\\')
        }
        Ecosystem::Cargo | Ecosystem::Executable => false,
    }
}

/// Whether npm takes a text behind `name@` for a version, a range or a tag, and every other runner too.
pub(crate) fn is_npm_request(asked: &str) -> bool {
    let asked = asked.trim_matches(' ');
    let tag = || {
        asked.starts_with(|c: char| c.is_ascii_alphabetic())
            && asked.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
    };
    asked.is_empty() || tag() || npm::Range::parse(asked).is_some()
}

/// Whether a text is one version by PEP 440.
pub(crate) fn is_python_version(text: &str) -> bool {
    text.parse::<pep440_rs::Version>().is_ok()
}

/// An exact version of Go or NuGet in the form in which it is compared; `None` if it is a range, tag or branch.
fn one_version(ecosystem: Ecosystem, text: &str) -> Option<String> {
    let numbers = |release: &str| {
        let numbers: Vec<Option<u64>> = release
            .split('.')
            .map(|n| n.bytes().all(|b| b.is_ascii_digit()).then(|| n.parse().ok()).flatten())
            .collect();
        numbers.into_iter().collect::<Option<Vec<u64>>>()
    };
    let is_label = |label: &str| {
        !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'))
    };
    if ecosystem == Ecosystem::Go {
        // A shorter one (`v1.2`) is a query for the newest of its kind; Go compares what is left letter by letter.
        let version = text.strip_prefix('v')?;
        let bare = version.split_once('+').map_or(version, |(bare, _)| bare);
        let (release, label) = bare.split_once('-').map_or((bare, None), |(r, l)| (r, Some(l)));
        let is_exact = numbers(release)?.len() == 3 && label.is_none_or(is_label);
        let build = version.strip_prefix(bare).unwrap_or_default();
        return (is_exact && (build.is_empty() || build == "+incompatible")).then(|| text.to_owned());
    }
    // NuGet: three or four numbers, the fourth counts only if it is not zero; labels have no case; what stands behind
    // a plus does not count.
    let bare = text.split_once('+').map_or(text, |(bare, _)| bare);
    let (release, label) = bare.split_once('-').map_or((bare, None), |(r, l)| (r, Some(l)));
    let mut numbers = numbers(release)?;
    if !(3..=4).contains(&numbers.len()) || !label.is_none_or(is_label) {
        return None;
    }
    if numbers.len() == 4 && numbers[3] == 0 {
        numbers.pop();
    }
    let release: Vec<String> = numbers.iter().map(u64::to_string).collect();
    let label = label.map(|l| format!("-{}", l.to_ascii_lowercase())).unwrap_or_default();
    Some(format!("{}{label}", release.join(".")))
}
