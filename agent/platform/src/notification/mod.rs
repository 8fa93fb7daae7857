//! A notification on a user's desktop.
//!
//! The user's session, its bus above all, is the user's own: what answers there may hang, lie, or be anything. So a
//! process with more rights never speaks to it. It starts a short-lived one that becomes the user for good, as a worker
//! does, and turns into the desktop's own tool; at the deadline that is killed.
//!
//! Linux: `busctl` or `gdbus`, one of which every desktop has. A library that speaks D-Bus (zbus) was weighed: forty crates
//! and an asynchronous runtime for a single call. macOS: `osascript` in the user's session. Windows: a message of the
//! terminal services, which the system shows.

#[cfg(target_os = "linux")]
#[path = "linux.rs"]
mod os;
#[cfg(target_os = "macos")]
#[path = "macos.rs"]
mod os;
#[cfg(windows)]
#[path = "windows.rs"]
mod os;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
use os as way;
#[cfg(unix)]
use unix as way;

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::privileges::UserIds;

/// The hidden command of our program that [`deliver`] starts, and which calls [`run`].
pub const COMMAND: &str = "notify";
/// How long a notification may take.
pub const DEADLINE: Duration = Duration::from_secs(5);

/// Longest title, in characters.
const MAX_TITLE: usize = 100;
/// Longest text, in characters and in lines.
const MAX_BODY: usize = 600;
const MAX_LINES: usize = 8;

/// What is shown: plain text, whatever it was made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    title: String,
    body: String,
}

impl Text {
    /// Of a title and lines. A line stays one line; what is too long is cut.
    ///
    /// Attack: the name of a server is `<a href=…>` or holds a line of its own. Desktops read the text as markup, and
    /// those that do not would show what stands for an escaped sign; so the signs of markup become others that look alike.
    pub fn new(title: &str, lines: &[String]) -> Self {
        let lines: Vec<String> = lines.iter().take(MAX_LINES).map(|line| plain(line, MAX_BODY)).collect();
        Self { title: plain(title, MAX_TITLE), body: cut(&lines.join("\n"), MAX_BODY) }
    }

    /// As another process of this program sent it: a newline parts the lines.
    #[cfg(unix)]
    fn of_sent(title: &str, body: &str) -> Self {
        let lines: Vec<String> = body.split('\n').map(str::to_owned).collect();
        Self::new(title, &lines)
    }

    /// Its title.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Its lines.
    pub fn body(&self) -> &str {
        &self.body
    }
}

fn plain(text: &str, most: usize) -> String {
    let changed = text.chars().map(|c| match c {
        '<' => '‹',
        '>' => '›',
        '&' => '＆',
        // an escape for some tools
        '\\' => '⧵',
        c if c.is_control() || is_direction(c) => ' ',
        c => c,
    });
    cut(&changed.take(most + 1).collect::<String>(), most)
}

/// Marks that turn the direction of what follows, or end a line.
fn is_direction(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some(_) => text.chars().take(most - 1).chain(['…']).collect(),
        None => text.to_owned(),
    }
}

/// Whose desktop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recipient {
    /// That of the user that this process runs as.
    Own {
        /// The folder with the sockets of the session, where it is not the usual one (Linux).
        runtime: Option<PathBuf>,
    },
    /// That of another, by its numbers (Linux, macOS).
    User {
        /// Who to become.
        ids: UserIds,
        /// As for `Own`.
        runtime: Option<PathBuf>,
    },
    /// That of another, by its SID (Windows).
    Sid(String),
}

/// Why nothing was shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotifyError {
    /// The user has no desktop at the moment.
    #[error("the user has no session with a desktop")]
    NoSession,
    /// None of the tools is there.
    #[error("there is neither busctl nor gdbus in the folders of the system")]
    NoTool,
    /// It took too long, and was killed.
    #[error("the desktop did not take it in time")]
    Late,
    /// Root does not speak to the session of a user, its own among them.
    #[error("root shows nothing in a session of its own")]
    Root,
    /// The desktop refuses.
    #[error("the desktop did not take it ({0})")]
    Failed(String),
    /// The process could not be started, or could not give up its rights.
    #[error("the process that shows it failed: {0}")]
    Process(String),
    /// Not how users are named here.
    #[error("this system names users in another way")]
    Unsupported,
}

/// Shows a text. `program` is ours: it is started with [`COMMAND`]. This returns when the desktop has the text, or at the
/// deadline.
///
/// # Errors
/// Nothing was shown, as far as can be told.
pub fn deliver(program: &Path, to: &Recipient, text: &Text, within: Duration) -> Result<(), NotifyError> {
    way::deliver(program, to, text, within)
}

/// What the hidden command does: takes the text from its input, becomes the user, and turns into the tool that shows it.
/// Returns the code to end with, where it comes to that.
pub fn run() -> u8 {
    way::run()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_markup_and_no_line_of_its_own_comes_out_of_a_name() {
        let hostile = "<a href=\"http://evil\">x</a>&amp;\nAll is fine\u{202e}\u{1b}[31m\\074b\\076";
        let text = Text::new(hostile, &[hostile.to_owned(), "second".to_owned()]);
        assert!(!text.title().contains(['<', '>', '&', '\n', '\u{1b}', '\u{202e}', '\\']), "{text:?}");
        assert_eq!(text.body().lines().count(), 2, "{text:?}");
        assert!(!text.body().contains(['<', '>', '&', '\\']), "{text:?}");
        assert!(text.body().starts_with("‹a href=\"http://evil\"›x‹/a›"), "{text:?}");
    }

    #[test]
    fn what_is_too_long_is_cut_in_whole_characters() {
        let text = Text::new(&"ü".repeat(1000), &vec!["ü".repeat(1000); 100]);
        assert_eq!(text.title().chars().count(), MAX_TITLE);
        assert_eq!(text.body().chars().count(), MAX_BODY);
        assert!(text.title().ends_with('…') && text.body().ends_with('…'));
        let text = Text::new("t", &vec!["x".to_owned(); 100]);
        assert_eq!(text.body().lines().count(), MAX_LINES);
        let exact = Text::new(&"x".repeat(MAX_TITLE), &[]);
        assert_eq!(exact.title(), "x".repeat(MAX_TITLE));
        assert_eq!(exact.body(), "");
    }
}
