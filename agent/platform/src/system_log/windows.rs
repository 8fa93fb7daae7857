//! The event log.
//!
//! Only compiled so far, never run on Windows (docs/platforms.md).

#![allow(unsafe_code, reason = "std has no event log")]

use windows_sys::Win32::System::EventLog::{
    DeregisterEventSource, EVENTLOG_ERROR_TYPE, EVENTLOG_INFORMATION_TYPE, EVENTLOG_WARNING_TYPE,
    RegisterEventSourceW, ReportEventW,
};

use super::Weight;

/// One number for all: the line says what happened.
const EVENT: u32 = 1;

pub(super) fn write(weight: Weight, line: &str) {
    let kind = match weight {
        Weight::Error => EVENTLOG_ERROR_TYPE,
        Weight::Warning => EVENTLOG_WARNING_TYPE,
        Weight::Notice => EVENTLOG_INFORMATION_TYPE,
    };
    let wide =
        |text: &str| -> Vec<u16> { text.encode_utf16().filter(|unit| *unit != 0).chain([0]).collect() };
    let (name, line) = (wide("mcpolicy"), wide(line));
    let lines = [line.as_ptr()];
    let none = std::ptr::null();
    // SAFETY: the name is a string of UTF-16 that ends in zero and outlives the call
    let source = unsafe { RegisterEventSourceW(none, name.as_ptr()) };
    if source.is_null() {
        return;
    }
    // SAFETY: the source is open; one string of UTF-16 that ends in zero; all outlive the call
    unsafe {
        ReportEventW(source, kind, 0, EVENT, std::ptr::null_mut(), 1, 0, lines.as_ptr(), none.cast());
    }
    // SAFETY: the source was opened above, and nothing uses it from here on
    unsafe { DeregisterEventSource(source) };
}
