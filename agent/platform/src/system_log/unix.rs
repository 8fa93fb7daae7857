//! `syslog`, which journald and the unified log take up as well.

#![allow(unsafe_code, reason = "std has no syslog")]

use std::ffi::CString;

use super::Weight;

pub(super) fn write(weight: Weight, line: &str) {
    let priority = match weight {
        Weight::Error => libc::LOG_ERR,
        Weight::Warning => libc::LOG_WARNING,
        Weight::Notice => libc::LOG_NOTICE,
    };
    let Ok(line) = CString::new(line) else { return };
    // the line is an argument and never the format: attack: `%n` in the name of a server
    // SAFETY: the format takes one string; both end in zero and outlive the call
    unsafe { libc::syslog(priority | libc::LOG_DAEMON, c"mcpolicy: %s".as_ptr(), line.as_ptr()) };
}
