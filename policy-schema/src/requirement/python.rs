//! Version specifiers of Python (PEP 440).

use std::str::FromStr;

use pep440_rs::{Operator, Version, VersionSpecifier, VersionSpecifiers};

use super::Admits;

/// `>=1.2,<2`.
#[derive(Debug, Clone)]
pub(super) struct Specifiers(VersionSpecifiers);

impl Specifiers {
    /// Reads specifiers; a bare version stands for `==`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        // The text after `==` alone is what an identity keeps of `name==1.2.3`.
        let bare = text.trim().starts_with(|c: char| c.is_ascii_digit() || c == 'v');
        let text = if bare { format!("=={}", text.trim()) } else { text.trim().to_owned() };
        let specifiers = VersionSpecifiers::from_str(&text).ok()?;
        (!specifiers.is_empty()).then_some(Self(specifiers))
    }

    /// The one version that is meant.
    pub(super) fn exact(&self) -> Option<Version> {
        match &self.0[..] {
            [one] if matches!(one.operator(), Operator::Equal | Operator::ExactEqual) => {
                Some(one.version().clone())
            }
            _ => None,
        }
    }

    /// Judges a request. What is no version and no specifier (`latest`) may be any version.
    pub(super) fn admits(&self, asked: &str) -> Admits {
        let Some(asked) = Self::parse(asked) else { return Admits::Some };
        if self.0.iter().all(|meant| asked.lies_within(meant)) {
            return Admits::All;
        }
        match asked.exact() {
            // `==1.0` may also be `1.0+local`, so a requirement with a local version leaves a doubt.
            Some(version)
                if !self.satisfied_by(&version) && !self.0.iter().any(|s| s.version().is_local()) =>
            {
                Admits::None
            }
            _ => Admits::Some,
        }
    }

    /// Whether nothing lies between two of its ends, or the one version that is named is shut out.
    pub(super) fn is_empty(&self) -> bool {
        let lower = |s: &&VersionSpecifier| {
            matches!(
                s.operator(),
                Operator::GreaterThan
                    | Operator::GreaterThanEqual
                    | Operator::TildeEqual
                    | Operator::Equal
                    | Operator::ExactEqual
            )
        };
        let upper = |s: &&VersionSpecifier| {
            matches!(
                s.operator(),
                Operator::LessThan | Operator::LessThanEqual | Operator::Equal | Operator::ExactEqual
            )
        };
        let strict =
            |s: &VersionSpecifier| matches!(s.operator(), Operator::GreaterThan | Operator::LessThan);
        if self.0.iter().any(|s| s.version().is_local()) {
            return false;
        }
        let pairs = self
            .0
            .iter()
            .filter(lower)
            .flat_map(|low| self.0.iter().filter(upper).map(move |high| (low, high)));
        pairs.into_iter().any(|(low, high)| {
            low.version() > high.version()
                || (low.version() == high.version() && (strict(low) || strict(high)))
        }) || self.0.iter().any(|named| {
            matches!(named.operator(), Operator::Equal | Operator::ExactEqual)
                && !self.satisfied_by(named.version())
        })
    }

    pub(super) fn satisfied_by(&self, version: &Version) -> bool {
        self.0.iter().all(|specifier| contains(specifier, version))
    }

    /// Whether one specifier holds for every version that these mean: one of these alone must prove it.
    fn lies_within(&self, meant: &VersionSpecifier) -> bool {
        self.0.iter().any(|asked| implies(asked, meant))
    }
}

/// Whether a version fits. The crate takes `1` for a version of `1.2.*`, since it compares only what both have, and
/// keeps more prereleases out of `<` than pip does.
fn contains(specifier: &VersionSpecifier, version: &Version) -> bool {
    if *specifier.operator() == Operator::LessThan {
        let (limit, version) = (specifier.version(), version.clone().without_local());
        let is_its_prerelease = version.any_prerelease()
            && !limit.any_prerelease()
            && version.epoch() == limit.epoch()
            && version.only_release() == limit.only_release();
        return version < *limit && !is_its_prerelease;
    }
    let wanted = specifier.version().release().len();
    let mut release = version.release().to_vec();
    release.resize(release.len().max(wanted), 0);
    specifier.contains(&version.clone().with_release(release))
}

/// Whether every version that `asked` means is one that `meant` means. `false` where it is not plain.
fn implies(asked: &VersionSpecifier, meant: &VersionSpecifier) -> bool {
    let (a, m) = (asked.version(), meant.version());
    if asked == meant {
        return true;
    }
    // Local versions and epochs follow rules of their own; equal text is all that is taken for proof.
    if a.is_local() || m.is_local() {
        return matches!((asked.operator(), meant.operator()),
            (Operator::Equal | Operator::ExactEqual, Operator::Equal | Operator::ExactEqual) if a == m);
    }
    if a.epoch() != m.epoch() {
        return false;
    }
    match asked.operator() {
        // With it come local versions of the same, which count as the same for every operator but `===`.
        Operator::Equal | Operator::ExactEqual => {
            *meant.operator() != Operator::ExactEqual && contains(meant, a)
        }
        Operator::GreaterThanEqual => match meant.operator() {
            Operator::GreaterThanEqual => a >= m,
            Operator::GreaterThan => release_of(a) > release_of(m),
            Operator::NotEqual => a > m,
            _ => false,
        },
        Operator::GreaterThan => match meant.operator() {
            Operator::GreaterThanEqual => a >= m,
            Operator::GreaterThan => release_of(a) > release_of(m),
            Operator::NotEqual => a >= m,
            _ => false,
        },
        Operator::LessThan => match meant.operator() {
            Operator::LessThan => release_of(a) < release_of(m),
            Operator::LessThanEqual => a <= m,
            Operator::NotEqual => a <= m && !m.any_prerelease(),
            _ => false,
        },
        Operator::LessThanEqual => match meant.operator() {
            Operator::LessThan | Operator::NotEqual => release_of(a) < release_of(m),
            Operator::LessThanEqual => a <= m && !a.any_prerelease(),
            _ => false,
        },
        Operator::EqualStar => star(a.release(), a.release(), meant),
        // `~=1.4.2` is `>=1.4.2, ==1.4.*`.
        Operator::TildeEqual => {
            let prefix = &a.release()[..a.release().len() - 1];
            match meant.operator() {
                Operator::GreaterThanEqual => a >= m,
                Operator::TildeEqual => a >= m && prefix.starts_with(&m.release()[..m.release().len() - 1]),
                _ => star(prefix, a.release(), meant),
            }
        }
        Operator::NotEqual | Operator::NotEqualStar => false,
    }
}

/// Whether all versions that begin with a prefix are meant. `lowest` is the lowest release among them.
fn star(prefix: &[u64], lowest: &[u64], meant: &VersionSpecifier) -> bool {
    let m = meant.version();
    let mut next = prefix.to_vec();
    if let Some(last) = next.last_mut() {
        *last = last.saturating_add(1);
    }
    let (next, lowest) = (Version::new(next), Version::new(lowest.iter().copied()));
    match meant.operator() {
        // Below the lowest release lie its own prereleases.
        Operator::GreaterThanEqual | Operator::GreaterThan => release_of(&lowest) > release_of(m),
        Operator::LessThan | Operator::LessThanEqual => {
            release_of(&next) <= release_of(m) && !m.any_prerelease()
        }
        Operator::EqualStar => prefix.starts_with(m.release()),
        Operator::NotEqual | Operator::NotEqualStar => {
            release_of(&next) <= release_of(m)
                && !m.any_prerelease()
                && *meant.operator() == Operator::NotEqual
        }
        _ => false,
    }
}

/// The release alone, so that neither prereleases nor post-releases come between.
fn release_of(version: &Version) -> Version {
    version.only_release()
}
