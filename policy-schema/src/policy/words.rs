//! Lists of words that may be given: the arguments of a server, of a runner, of a wrapper.

use std::sync::Arc;

use crate::pattern::Pattern;
use crate::reference::{self, Reference};
use crate::sensitive::Sensitive;

/// What words are held against besides the patterns.
#[derive(Clone, Copy)]
pub(crate) struct Setting<'a> {
    /// The user's home.
    pub(crate) home: Option<&'a str>,
    /// Whether the value of a variable of this name may stand where anything may.
    pub(crate) may_refer: &'a dyn Fn(&str) -> bool,
}

impl Setting<'_> {
    fn admits(&self, pattern: &Pattern, word: &str) -> bool {
        pattern.admits_argument(word, self.home) || (pattern.is_any() && self.is_variable(word))
    }

    fn is_variable(&self, word: &str) -> bool {
        matches!(reference::whole(word), Some(Reference::Variable(name)) if (self.may_refer)(name))
    }

    /// What may stand behind `--flag=`, where it cannot become another flag.
    fn admits_glued(&self, value: &str) -> bool {
        self.is_variable(value) || matches!(reference::whole(value), Some(Reference::Prompt))
    }
}

/// A word, or a flag with its value, that may be given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Group {
    words: Vec<Pattern>,
    /// A flag and its value written as one word with `=`.
    joined: Option<Pattern>,
    /// Whether the value of the flag may be anything.
    free: bool,
}

impl Group {
    /// Reads `--flag`, `--flag=value` or `--flag value`.
    pub(crate) fn new(text: &str) -> Self {
        let words: Vec<&str> = text.split_ascii_whitespace().collect();
        let joined = match words.as_slice() {
            // A value that may be anything may be anything behind `=` too.
            [flag, "*"] if flag.starts_with("--") => Some(Pattern::new(&format!("{flag}=**"))),
            [flag, value] if flag.starts_with("--") => Some(Pattern::new(&format!("{flag}={value}"))),
            _ => None,
        };
        // The flag itself must be all that stands before the value.
        let free =
            matches!(words.as_slice(), [flag, "*"] if flag.starts_with("--") && !flag.contains(['*', '{']));
        Self { words: words.into_iter().map(Pattern::new).collect(), joined, free }
    }

    /// How many words at the start of these the group takes, `None` if it does not fit.
    fn take(&self, words: &[Sensitive], setting: Setting<'_>) -> Option<usize> {
        let first = words.first()?.expose();
        let flag = self.joined.as_ref().filter(|_| self.free).map(Pattern::beginning);
        let value = flag.and_then(|flag| first.strip_prefix(flag));
        if self.joined.as_ref().is_some_and(|p| p.admits_argument(first, setting.home))
            || value.is_some_and(|value| setting.admits_glued(value))
        {
            return Some(1);
        }
        let fits = self.words.len() <= words.len()
            && !self.words.is_empty()
            && self.words.iter().zip(words).all(|(p, w)| setting.admits(p, w.expose()));
        fits.then_some(self.words.len())
    }
}

/// What may stand in a list of words.
#[derive(Debug, Clone, Default)]
pub(crate) struct Words {
    positional: Vec<Pattern>,
    /// After the positional ones anything may follow.
    open: bool,
    required: Arc<[Group]>,
    optional: Arc<[Group]>,
}

/// Why a list of words is not admitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// The word at this index, from 0.
    Word(usize),
    /// Fewer positional words than the rule has.
    TooFew,
    /// A required one is not there; as the rule writes it, by its index.
    Required(usize),
}

/// The last positional pattern that lets anything follow.
pub(crate) const REST: &str = "...";

/// Compiles a list of words, or of flags with their values.
pub(crate) fn groups(list: &[String]) -> Arc<[Group]> {
    list.iter().map(|group| Group::new(group)).collect()
}

impl Words {
    pub(crate) fn new(positional: &[String], required: Arc<[Group]>, optional: Arc<[Group]>) -> Self {
        let open = positional.last().is_some_and(|last| last == REST);
        let count = positional.len() - usize::from(open);
        Self {
            positional: positional[..count].iter().map(|p| Pattern::new(p)).collect(),
            open,
            required,
            optional,
        }
    }

    /// Whether every word has its place. The words that a pattern with a wildcard took are given to `free`, since
    /// what is free may refer to a secret.
    pub(crate) fn admit<'w>(
        &self,
        words: &'w [Sensitive],
        setting: Setting<'_>,
        free: &mut Vec<&'w Sensitive>,
    ) -> Result<(), Unfit> {
        let mut seen = vec![false; self.required.len()];
        let mut next = 0;
        let mut at = 0;
        while at < words.len() {
            let word = &words[at];
            let positional = self.positional.get(next);
            let literal = positional.filter(|p| !p.has_wildcard());
            if literal.is_some_and(|p| setting.admits(p, word.expose())) {
                (next, at) = (next + 1, at + 1);
                continue;
            }
            if let Some(taken) = self.option(&words[at..], setting, &mut seen) {
                free.extend(&words[at..at + taken]);
                at += taken;
                continue;
            }
            if positional.is_some_and(|p| setting.admits(p, word.expose())) {
                free.push(word);
                (next, at) = (next + 1, at + 1);
                continue;
            }
            if self.open && next == self.positional.len() {
                free.push(word);
                at += 1;
                continue;
            }
            return Err(Unfit::Word(at));
        }
        if next < self.positional.len() {
            return Err(Unfit::TooFew);
        }
        match seen.iter().position(|seen| !seen) {
            Some(missing) => Err(Unfit::Required(missing)),
            None => Ok(()),
        }
    }

    fn option(&self, words: &[Sensitive], setting: Setting<'_>, seen: &mut [bool]) -> Option<usize> {
        for (group, seen) in self.required.iter().zip(seen) {
            if let Some(taken) = group.take(words, setting) {
                *seen = true;
                return Some(taken);
            }
        }
        self.optional.iter().find_map(|group| group.take(words, setting))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(words: &[&str]) -> Vec<String> {
        words.iter().map(|w| (*w).to_owned()).collect()
    }

    fn words_of(positional: &[String], required: &[String], optional: &[String]) -> Words {
        Words::new(positional, groups(required), groups(optional))
    }

    fn admit(words: &Words, given: &[&str]) -> Result<(), Unfit> {
        let given: Vec<Sensitive> = given.iter().map(|w| Sensitive::new(*w)).collect();
        let setting = Setting { home: Some("/home/jane"), may_refer: &|name| name == "LISTED" };
        words.admit(&given, setting, &mut Vec::new())
    }

    #[test]
    fn an_absent_list_admits_no_argument() {
        assert_eq!(admit(&Words::default(), &[]), Ok(()));
        assert_eq!(admit(&Words::default(), &["x"]), Err(Unfit::Word(0)));
    }

    #[test]
    fn positional_arguments_stand_in_order_and_all_are_there() {
        let words = words_of(&strings(&["--repository", "*"]), &[], &[]);
        assert_eq!(admit(&words, &["--repository", "/w"]), Ok(()));
        assert_eq!(admit(&words, &["--repository"]), Err(Unfit::TooFew));
        assert_eq!(admit(&words, &["/w", "--repository"]), Err(Unfit::Word(0)));
        assert_eq!(admit(&words, &["--repository", "/w", "/x"]), Err(Unfit::Word(2)));
        assert_eq!(admit(&words, &["--repository", "--upload-pack=sh"]), Err(Unfit::Word(1)));
    }

    #[test]
    fn options_stand_anywhere_and_required_ones_must_be_there() {
        let words = words_of(&strings(&["mcp"]), &strings(&["--read-only"]), &strings(&["--port *"]));
        assert_eq!(admit(&words, &["--port", "80", "mcp", "--read-only"]), Ok(()));
        assert_eq!(admit(&words, &["mcp", "--read-only", "--port=80"]), Ok(()));
        assert_eq!(admit(&words, &["mcp"]), Err(Unfit::Required(0)));
        assert_eq!(admit(&words, &["mcp", "--read-only", "--port"]), Err(Unfit::Word(2)));
    }

    #[test]
    fn only_a_listed_variable_or_a_glued_prompt_stands_where_anything_may() {
        let words = words_of(&strings(&["*"]), &[], &strings(&["--key *", "--root {home}/**"]));
        for fine in ["${LISTED}", "${env:LISTED}", "${workspaceFolder}"] {
            assert_eq!(admit(&words, &[fine]), Ok(()), "{fine}");
            assert_eq!(admit(&words, &["a", "--key", fine]), Ok(()), "{fine}");
        }
        assert_eq!(admit(&words, &["a", "--key=${input:key}"]), Ok(()));
        for bad in [
            "${LISTED:-x}",
            "${OTHER}",
            "${input:a}",
            "-${LISTED}",
            "${config:a.b}",
            "$listed",
            "${LISTED}${LISTED}",
        ] {
            assert_eq!(admit(&words, &[bad]), Err(Unfit::Word(0)), "{bad}");
            assert_eq!(admit(&words, &["a", "--key", bad]), Err(Unfit::Word(1)), "{bad}");
            assert_eq!(
                admit(&words, &["a", &format!("--root=/home/jane/{bad}")]),
                Err(Unfit::Word(1)),
                "{bad}"
            );
        }
    }

    #[test]
    fn no_variable_stands_in_the_name_of_a_flag() {
        let words = words_of(&[], &[], &strings(&["--k* *"]));
        assert_eq!(admit(&words, &["--key=x"]), Ok(()));
        for bad in ["--k${LISTED}", "--key${LISTED}=x", "--k*=${LISTED}", "--key=${LISTED}"] {
            assert_eq!(admit(&words, &[bad]), Err(Unfit::Word(0)), "{bad}");
        }
    }

    #[test]
    fn only_three_dots_let_anything_follow() {
        let words = words_of(&strings(&["run", "..."]), &[], &[]);
        assert_eq!(admit(&words, &["run", "a", "--b"]), Ok(()));
        assert_eq!(admit(&words, &["a"]), Err(Unfit::Word(0)));
    }
}
