//! A hook before each system call of an edit, for tests: it may kill the process there, write the file as a hostile
//! user would at that moment, or make the call fail.
//!
//! Without the feature `failpoints` there is no hook and nothing is called. The `fail` crate was looked at: its
//! registry is one for the process, set from the environment, so that tests in threads would meet each other's, and a
//! point can return no error of the system.

#[cfg(feature = "failpoints")]
use std::cell::RefCell;

use super::fault::Fault;

/// The steps of an edit in their order; the hook is told the name of the step that comes next. To be stopped *after* a
/// system call is to be stopped before the next one. `done` is after the last.
pub const STEPS: &[&str] = &[
    "create-temp",
    "write-temp",
    "copy-metadata",
    "sync-temp",
    "take-lease",
    "compare",
    "exchange",
    "verify",
    "link-twin",
    "unlink-twin",
    "unlink-displaced",
    "verify-unlinked",
    "sync-directory",
    "done",
];

/// The steps that are made only when a write slipped in between, or a call failed.
pub const UNDO_STEPS: &[&str] = &["exchange-back", "verify-back", "unlink-ours", "rescue"];

/// What the hook says of a step: `Some(errno)` makes its system call fail with that number.
pub type Hook = Box<dyn Fn(&'static str) -> Option<i32>>;

#[cfg(feature = "failpoints")]
thread_local! {
    static HOOK: RefCell<Option<std::rc::Rc<Hook>>> = const { RefCell::new(None) };
}

/// Sets the hook of this thread, or takes it away.
#[cfg(feature = "failpoints")]
pub fn set(hook: Option<Hook>) {
    HOOK.with(|slot| *slot.borrow_mut() = hook.map(std::rc::Rc::new));
}

#[cfg(feature = "failpoints")]
pub(super) fn at(step: &'static str) -> Result<(), Fault> {
    debug_assert!(STEPS.contains(&step) || UNDO_STEPS.contains(&step), "{step}");
    // the hook may itself edit files of a home: it is not borrowed while it runs
    let hook = HOOK.with(|slot| slot.borrow().clone());
    match hook.and_then(|hook| hook(step)) {
        Some(errno) => Err(super::os::write_fault(errno)),
        None => Ok(()),
    }
}

#[cfg(not(feature = "failpoints"))]
#[inline]
#[expect(clippy::unnecessary_wraps, reason = "with the feature it may fail")]
pub(super) fn at(_step: &'static str) -> Result<(), Fault> {
    Ok(())
}
