//! What is wrong in a file that an administrator wrote, and how it is shown: at its line, with a caret.

use std::ops::Range;

use annotate_snippets::renderer::DEFAULT_TERM_WIDTH;
use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use serde::Serialize;

use super::source::Source;
use crate::output::text::{folded, visible};

/// How much a problem weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Weight {
    /// It must be put right.
    Error,
    /// It should be known.
    Warning,
    /// It is only said; it never fails a check.
    Note,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// How much it weighs.
    pub weight: Weight,
    /// Stable kebab-case code.
    pub code: &'static str,
    /// Where, as a JSON Pointer; empty for the file as a whole.
    pub place: String,
    /// The file, where it is another than the one that is checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// Bytes of the place, where the pointer does not say it.
    #[serde(skip)]
    pub span: Option<Range<usize>>,
    /// The name of the member is wrong, not its value.
    #[serde(skip)]
    pub of_name: bool,
}

impl Problem {
    /// A problem at a place.
    pub fn new(
        weight: Weight,
        code: &'static str,
        place: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            weight,
            code,
            place: place.into(),
            file: None,
            message: message.into(),
            help: None,
            span: None,
            of_name: false,
        }
    }

    /// The same with what to do about it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same about another file than the one that is checked.
    #[must_use]
    pub fn about(mut self, file: impl Into<String>) -> Self {
        self.file = Some(file.into());
        self
    }

    /// The same at these bytes.
    #[must_use]
    pub fn at(mut self, span: Range<usize>) -> Self {
        self.span = Some(span);
        self
    }

    /// Bytes of the problem in its text.
    fn bytes(&self, source: &Source) -> Option<Range<usize>> {
        let named = || {
            if self.of_name { source.span_of_name(&self.place) } else { source.span(&self.place) }
        };
        if self.file.is_some() { None } else { self.span.clone().or_else(named) }
    }

    /// Line and column of the problem, from 1.
    pub fn position(&self, source: &Source) -> Option<(usize, usize)> {
        let span = self.bytes(source)?;
        let before = source.text.get(..span.start)?;
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |l| l.chars().count()) + 1;
        Some((line, column))
    }
}

/// Shows problems as a compiler does.
pub fn render(problems: &[Problem], source: &Source) -> String {
    render_within(problems, source, usize::MAX)
}

/// Shows problems as a compiler does, on a terminal of some columns.
pub fn render_within(problems: &[Problem], source: &Source, columns: usize) -> String {
    let path = source.path.to_string_lossy();
    let renderer = Renderer::plain().term_width(columns.min(DEFAULT_TERM_WIDTH));
    let room = |before: usize| columns.saturating_sub(before).max(20);
    let mut out = String::new();
    for problem in problems {
        let level = match problem.weight {
            Weight::Error => Level::ERROR,
            Weight::Warning => Level::WARNING,
            Weight::Note => Level::NOTE,
        };
        // `warning[code]: ` before it, `    = help: ` before the help.
        let message = folded(&visible(&problem.message), room(problem.code.len() + 11));
        let title = level.primary_title(message.as_str()).id(problem.code);
        let span = problem.bytes(source);
        let file = problem.file.as_deref().map(visible);
        let mut group = match span {
            Some(span) => {
                let snippet = Snippet::source(source.text.as_str()).path(path.as_ref());
                title
                    .element(snippet.annotation(AnnotationKind::Primary.span(first_line(&source.text, span))))
            }
            None => {
                let file = file.as_deref().unwrap_or(path.as_ref());
                title.element(annotate_snippets::Origin::path(file))
            }
        };
        let help = problem.help.as_deref().map(|help| folded(&visible(help), room(15)));
        if let Some(help) = &help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        out.push_str(&renderer.render(&[group]));
        out.push_str("\n\n");
    }
    out
}

/// The part of a span on its first line: a rule of thirty lines is shown by its head.
fn first_line(text: &str, span: Range<usize>) -> Range<usize> {
    let end = text.get(span.clone()).and_then(|shown| shown.find('\n')).map_or(span.end, |n| span.start + n);
    span.start..end.max(span.start)
}
