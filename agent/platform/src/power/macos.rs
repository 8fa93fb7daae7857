//! macOS: IOKit's word on power sources.

#![allow(unsafe_code, reason = "std cannot ask IOKit")]

#[link(name = "IOKit", kind = "framework")]
unsafe extern "C" {
    /// `IOPowerSources.h`: seconds, -1 while it is not known on battery, -2 without a limit: mains power.
    fn IOPSGetTimeRemainingEstimate() -> f64;
}

pub(super) fn is_on_mains() -> Option<bool> {
    // SAFETY: takes nothing and gives a number
    Some(unsafe { IOPSGetTimeRemainingEstimate() } < -1.5)
}
