//! The system's own log: the journal or syslog on Linux, the unified log of macOS, the event log of Windows.

#[cfg(unix)]
#[path = "unix.rs"]
mod os;
#[cfg(windows)]
#[path = "windows.rs"]
mod os;

/// How much a line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// To be looked at by somebody.
    Error,
    /// Worth knowing.
    Warning,
    /// What goes on.
    Notice,
}

/// Writes one line. Nothing is told where it cannot be written: it is the last place to tell it.
pub fn write(weight: Weight, line: &str) {
    os::write(weight, line);
}
