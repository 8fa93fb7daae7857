//! Ranges of npm.

use nodejs_semver::Version;

use super::Admits;

/// A range, taken apart at `||`.
#[derive(Debug, Clone)]
pub(super) struct Range {
    alternatives: Vec<Alternative>,
}

/// Comparators all of which must hold. Each is read by itself: the crate drops one that contradicts the others.
#[derive(Debug, Clone)]
struct Alternative {
    text: String,
    parts: Vec<nodejs_semver::Range>,
    /// Versions of which it names a prerelease: it then means other prereleases of the same version, and no others.
    prereleases: Vec<[u64; 3]>,
}

impl Range {
    /// Reads a range; `None` if npm would not, or would only by guessing.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let alternatives = text.split("||").map(Alternative::parse).collect::<Option<Vec<_>>>()?;
        Some(Self { alternatives })
    }

    /// Judges a request. What is no version and no range is a tag.
    pub(super) fn admits(&self, asked: &str) -> Admits {
        if let Some(version) = exact(asked) {
            return if self.satisfied_by(&version) { Admits::All } else { Admits::None };
        }
        let Some(asked) = Self::parse(asked) else { return Admits::Some };
        let is_within = |asked: &Alternative| self.alternatives.iter().any(|meant| meant.holds(asked));
        if asked.alternatives.iter().all(is_within) { Admits::All } else { Admits::Some }
    }

    /// Whether nothing lies between the ends of any alternative.
    pub(super) fn is_empty(&self) -> bool {
        self.alternatives.iter().all(|alternative| {
            let Some((first, rest)) = alternative.parts.split_first() else { return false };
            rest.iter().try_fold(first.clone(), |all, part| all.intersect(part)).is_none()
        })
    }

    pub(super) fn satisfied_by(&self, version: &Version) -> bool {
        self.alternatives.iter().any(|a| a.satisfied_by(version))
    }
}

impl Alternative {
    fn parse(text: &str) -> Option<Self> {
        let words: Vec<&str> = text.split([' ', '\t']).filter(|word| !word.is_empty()).collect();
        let (mut parts, mut prereleases) = (Vec::new(), Vec::new());
        if let [from, "-", to] = words[..] {
            // `1.2 - 2.0`: two versions and nothing else.
            prereleases.extend([partial_version(from)?, partial_version(to)?].into_iter().flatten());
            parts.push(nodejs_semver::Range::parse(text.trim()).ok()?);
        } else {
            let mut words = words.iter();
            while let Some(word) = words.next() {
                let partial =
                    [">=", "<=", "~>", ">", "<", "=", "^", "~"].iter().find_map(|s| word.strip_prefix(s));
                // `>= 1.2`: the version is the next word.
                let (whole, partial) = match partial {
                    Some("") => {
                        let version = words.next()?;
                        (format!("{word}{version}"), *version)
                    }
                    partial => ((*word).to_owned(), partial.unwrap_or(word)),
                };
                prereleases.extend(partial_version(partial)?);
                parts.push(nodejs_semver::Range::parse(whole).ok()?);
            }
        }
        if parts.is_empty() {
            parts.push(nodejs_semver::Range::any());
        }
        Some(Self { text: words.join(" "), parts, prereleases })
    }

    fn satisfied_by(&self, version: &Version) -> bool {
        let release = [version.major(), version.minor(), version.patch()];
        self.parts.iter().all(|part| part.satisfies_with_prerelease(version, true))
            && (!version.is_prerelease() || self.prereleases.contains(&release))
    }

    /// Whether everything that `asked` may resolve to is meant.
    fn holds(&self, asked: &Self) -> bool {
        // An empty range and `*` take what the registry calls latest, be it a prerelease.
        let is_any = |text: &str| matches!(text, "" | "*" | "x" | "X");
        if is_any(&asked.text) {
            return false;
        }
        if self.text == asked.text {
            return true;
        }
        // Without prereleases a comparator is an interval, and one interval lies in the other or not.
        asked.prereleases.is_empty()
            && self.parts.iter().all(|meant| asked.parts.iter().any(|asked| meant.allows_all(asked)))
    }
}

/// Reads `1`, `1.x`, `v1.2.3-beta.1+build`; the release of which it names a prerelease. `None` if it is no version.
fn partial_version(text: &str) -> Option<Option<[u64; 3]>> {
    let text = text.strip_prefix('v').unwrap_or(text);
    let (text, build) = text.split_once('+').map_or((text, None), |(t, b)| (t, Some(b)));
    let (release, label) = text.split_once('-').map_or((text, None), |(r, l)| (r, Some(l)));
    let (mut all, mut count) = ([""; 3], 0);
    for number in release.split('.') {
        *all.get_mut(count)? = number;
        count += 1;
    }
    let numbers = &all[..count];
    let is_x = |n: &&str| matches!(*n, "x" | "X" | "*");
    let is_number = |n: &&str| {
        !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()) && (n.len() == 1 || !n.starts_with('0'))
    };
    let is_label = |label: &str| {
        label
            .split('.')
            .all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'))
    };
    let is_release = numbers.iter().all(|n| is_x(n) || is_number(n))
        // `1.x.3` means `1.x`: nobody writes it but to mislead.
        && numbers.iter().skip_while(|n| !is_x(n)).all(is_x);
    let is_full = numbers.len() == 3 && !numbers.iter().any(is_x);
    if !is_release || !label.is_none_or(|l| is_full && is_label(l)) || !build.is_none_or(is_label) {
        return None;
    }
    let Some(_) = label else { return Some(None) };
    let release: Vec<u64> = numbers.iter().filter_map(|n| n.parse().ok()).collect();
    Some(release.try_into().ok())
}

/// One version: `1.2.3`, `v1.2.3`, `=1.2.3`.
pub(super) fn exact(text: &str) -> Option<Version> {
    let text = text.trim_matches(' ');
    let bare = text.strip_prefix('=').unwrap_or(text).trim_start_matches(' ');
    let bare = bare.strip_prefix('v').unwrap_or(bare);
    partial_version(bare)?;
    let numbers = bare.split(['-', '+']).next()?.split('.').count();
    if numbers != 3 || bare.starts_with('v') {
        return None;
    }
    Version::parse(bare).ok()
}
