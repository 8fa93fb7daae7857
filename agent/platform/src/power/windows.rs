//! Windows.

#![allow(unsafe_code, reason = "std cannot ask for the power state")]

use windows_sys::Win32::System::Power::{GetSystemPowerStatus, SYSTEM_POWER_STATUS};

pub(super) fn is_on_mains() -> Option<bool> {
    let mut status = SYSTEM_POWER_STATUS {
        ACLineStatus: 255,
        BatteryFlag: 255,
        BatteryLifePercent: 255,
        SystemStatusFlag: 0,
        BatteryLifeTime: u32::MAX,
        BatteryFullLifeTime: u32::MAX,
    };
    // SAFETY: the structure outlives the call
    let told = unsafe { GetSystemPowerStatus(&raw mut status) };
    match (told, status.ACLineStatus) {
        (0, _) => None,
        (_, 0) => Some(false),
        (_, 1) => Some(true),
        _ => None,
    }
}
