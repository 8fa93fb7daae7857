//! The demo on a screen: what was planted, what became of it, how fast. For people who have two minutes.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Write as _};

use mcpolicy_platform::environment::Environment;
use similar::{ChangeTag, TextDiff};

use super::{Answer, DEADLINE, Played, Since};
use crate::board::status::State;
use crate::output::text::{cut, folded, visible, width};

/// Widest line.
const WIDTH: usize = 100;
/// Widest bar of the table at the end.
const BAR: usize = 24;
/// Lines of a file that are shown.
const MOST_LINES: usize = 14;

/// How it is shown.
pub(super) struct Show {
    json: bool,
    color: bool,
}

/// Colours, by what they mean.
#[derive(Clone, Copy)]
enum Ink {
    Bold,
    Dim,
    Good,
    Bad,
}

impl Show {
    pub(super) fn new(json: bool, environment: &Environment) -> Self {
        let no_color = environment.get("NO_COLOR").is_some_and(|value| !value.is_empty());
        let color = io::stdout().is_terminal() && !no_color && environment.get("TERM") != Some("dumb");
        Self { json, color }
    }

    /// What the stage is.
    pub(super) fn opening(
        &self,
        (policy, rules): (&str, usize),
        mode: &str,
        servers: usize,
    ) -> io::Result<()> {
        let (policy, mode) = (visible(policy), visible(mode));
        self.say(&format!(
            "{}\n  policy  {policy}, just signed by a fresh key: {rules} servers approved, all others denied\n  \
             laptop  a throw-away home with {servers} approved servers in the files of four clients\n  \
             daemon  mcpolicy run, mode {mode}\n",
            self.in_ink(Ink::Bold, "mcpolicy demo: the real daemon, on a laptop that is gone in a minute")
        ))
    }

    /// What comes next.
    pub(super) fn announce(&self, (at, of): (usize, usize), title: &str, story: &str) -> io::Result<()> {
        let title = format!("━━ {at}/{of} ━━ {title} ");
        let line = "━".repeat(WIDTH.saturating_sub(width(&title)));
        self.say(&format!("\n{}\n{}\n", self.in_ink(Ink::Bold, &(title + &line)), story))
    }

    /// Waits for nobody, but says so.
    pub(super) fn ask(&self) -> io::Result<()> {
        self.say(&self.in_ink(Ink::Dim, "Enter plants it "))
    }

    pub(super) fn notice(&self, text: &str) -> io::Result<()> {
        self.say(&folded(&format!("  ! {}\n", visible(text)), WIDTH))
    }

    /// What was planted, and what became of it.
    pub(super) fn answer(&self, answer: &Answer) -> io::Result<()> {
        let mut out = String::new();
        let before = answer.before.as_deref().unwrap_or_default();
        if answer.unplayed {
            let text = folded(&format!("  - NOT PLAYED: {}", visible(&answer.why_not)), WIDTH);
            return self.say(&format!("\n{}\n", self.in_ink(Ink::Dim, &text)));
        }
        let how = match answer.since {
            Since::Attack => "planted in",
            Since::Seen => "started",
        };
        let _ = writeln!(out, "\n  {how} {} ({})", self.in_ink(Ink::Bold, &answer.path), answer.client);
        out.push_str(&self.difference(before, &answer.planted));
        let action = answer.action.as_ref();
        let reason = action.map_or_else(String::new, |action| {
            let rule = action.rule.as_ref().map_or_else(String::new, |rule| format!(", rule {rule}"));
            let text = format!("    {}{rule}: {}", action.code, action.detail);
            folded(&visible(&text), WIDTH) + "\n"
        });
        if !answer.answered {
            let seconds = DEADLINE.as_secs();
            let text = format!("  ✘ NOT ANSWERED within {seconds} s: {}", visible(&answer.why_not));
            let _ = writeln!(out, "\n{}", self.in_ink(Ink::Bad, &folded(&text, WIDTH)));
            out.push_str(&reason);
            return self.say(&out);
        }
        let done = action.map_or("", |action| action.action.as_str());
        let time = match answer.since {
            Since::Attack => format!("after {}", ms(answer.milliseconds)),
            Since::Seen => format!("{} after it was seen", ms(answer.milliseconds)),
        };
        let text = format!("  ✔ {} of `{}` {time}", visible(done), visible(answer.server));
        let own = answer
            .daemon_milliseconds
            .map_or_else(String::new, |own| format!("  (the daemon counts {})", ms(Some(own))));
        let _ = writeln!(out, "\n{}{}", self.in_ink(Ink::Good, &text), self.in_ink(Ink::Dim, &own));
        out.push_str(&reason);
        out.push_str(&self.difference(&answer.planted, &answer.after));
        if answer.since == Since::Seen {
            let text = "  the client goes on";
            let _ = writeln!(out, "{}", self.in_ink(Ink::Dim, text));
        } else if answer.before.as_ref() == Some(&answer.after) {
            let text = "  byte for byte what it was before";
            let _ = writeln!(out, "{}", self.in_ink(Ink::Dim, text));
        }
        self.say(&out)
    }

    /// The summary; as JSON it is all that is said.
    pub(super) fn end(&self, played: &Played) -> anyhow::Result<()> {
        if self.json {
            let text = serde_json::to_string_pretty(played)? + "\n";
            return Ok(write(&text)?);
        }
        let mut out = format!("\n{}\n", self.in_ink(Ink::Bold, &"━".repeat(WIDTH)));
        // what is counted otherwise, with the grace in it, has no place beside them
        let of_files = played.attacks.iter().filter(|answer| answer.since == Since::Attack);
        let slowest = of_files.filter_map(|answer| answer.milliseconds).fold(0.0, f64::max);
        for answer in &played.attacks {
            let bar = answer.milliseconds.map_or(0.0, |time| time / slowest * BAR as f64);
            // a bar of nothing would look like no answer
            let bar = "█".repeat((bar.round() as usize).max(1));
            let (ink, done, time) = match &answer.action {
                Some(action) if answer.answered && answer.since == Since::Seen => {
                    let time = format!("{:>9}  after it was seen", ms(answer.milliseconds));
                    (Ink::Good, action.action.as_str(), time)
                }
                Some(action) if answer.answered => {
                    (Ink::Good, action.action.as_str(), format!("{:>9}  {bar}", ms(answer.milliseconds)))
                }
                _ if answer.unplayed => (Ink::Dim, "NOT PLAYED", String::new()),
                _ => (Ink::Bad, "NOT ANSWERED", String::new()),
            };
            let done = format!("{:<13}", visible(done));
            let _ = writeln!(out, "  {:<42}{}{time}", answer.title, self.in_ink(ink, &done));
        }
        let all = played.attacks.iter().filter(|answer| !answer.unplayed).count();
        let status = &played.status;
        let answered = played.attacks.iter().filter(|answer| answer.answered).count();
        let ink = if played.ok { Ink::Good } else { Ink::Bad };
        let _ = writeln!(
            out,
            "\n  {}; a scan finds {} servers, {} of them allowed",
            self.in_ink(ink, &format!("{answered} of {all} attacks answered")),
            status.servers,
            status.allowed
        );
        let sequence = status.sequence.map_or_else(String::new, |sequence| format!(" {sequence}"));
        let _ = writeln!(
            out,
            "  status  {}, policy {}{sequence}, mode {}, {} originals kept in the vault",
            status.state.map_or("no answer", State::as_str),
            visible(&status.policy),
            visible(&status.mode),
            status.originals
        );
        let report = played.report.as_ref().map(|path| path.display().to_string());
        let report =
            report.unwrap_or_else(|| "`--report FILE` writes the page for the security team".to_owned());
        let _ = writeln!(out, "  report  {report}");
        let folder = played.folder.as_ref().map(|path| path.display().to_string());
        let folder = folder.unwrap_or_else(|| "removed; `--keep` leaves it to look around in".to_owned());
        let _ = writeln!(out, "  folder  {folder}");
        Ok(write(&out)?)
    }

    /// The lines that differ, with one around them.
    fn difference(&self, old: &str, new: &str) -> String {
        let diff = TextDiff::from_lines(old, new);
        let mut lines: Vec<String> = Vec::new();
        for (at, group) in diff.grouped_ops(1).iter().enumerate() {
            if at > 0 {
                lines.push("      …".to_owned());
            }
            for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
                let (sign, ink) = match change.tag() {
                    ChangeTag::Delete => ('-', Ink::Bad),
                    ChangeTag::Insert => ('+', Ink::Good),
                    ChangeTag::Equal => (' ', Ink::Dim),
                };
                let text = visible(change.value().trim_end_matches(['\r', '\n'])).into_owned();
                let text = format!("    {sign} {text}");
                lines.push(self.in_ink(ink, cut(&text, WIDTH).trim_end()).into_owned());
            }
        }
        if lines.len() > MOST_LINES {
            let more = lines.len() - MOST_LINES;
            lines.truncate(MOST_LINES);
            lines.push(format!("      … {more} lines more"));
        }
        lines.iter().fold(String::new(), |out, line| out + line + "\n")
    }

    fn in_ink<'t>(&self, ink: Ink, text: &'t str) -> Cow<'t, str> {
        if !self.color {
            return Cow::Borrowed(text);
        }
        let code = match ink {
            Ink::Bold => "1",
            Ink::Dim => "2",
            Ink::Good => "32",
            Ink::Bad => "31",
        };
        Cow::Owned(format!("\u{1b}[{code}m{text}\u{1b}[0m"))
    }

    fn say(&self, text: &str) -> io::Result<()> {
        if self.json { Ok(()) } else { write(text) }
    }
}

/// Whether somebody reads or not, the attacks go on and the exit code says how they ended.
fn write(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

fn ms(milliseconds: Option<f64>) -> String {
    milliseconds.map_or_else(String::new, |milliseconds| format!("{milliseconds:.1} ms"))
}
