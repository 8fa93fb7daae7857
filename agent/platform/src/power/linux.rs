//! Linux: `/sys/class/power_supply`.

#![allow(clippy::disallowed_methods, reason = "files of the kernel's own")]

use std::fs;
use std::path::Path;

pub(super) fn is_on_mains() -> Option<bool> {
    of(Path::new("/sys/class/power_supply"))
}

/// On battery is what has a battery and no supply that is plugged in. (A mouse has a battery, too, and says so by its scope.)
fn of(supplies: &Path) -> Option<bool> {
    let (mut has_battery, mut is_plugged) = (false, false);
    for supply in fs::read_dir(supplies).ok()?.flatten() {
        let read = |name: &str| {
            fs::read_to_string(supply.path().join(name))
                .map(|text| text.trim().to_owned())
                .unwrap_or_default()
        };
        match read("type").as_str() {
            "Battery" => has_battery |= read("scope") != "Device",
            "Mains" | "USB" | "Wireless" => is_plugged |= read("online") == "1",
            _ => {}
        }
    }
    Some(is_plugged || !has_battery)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_laptop_is_on_battery_when_nothing_is_plugged_in_and_a_mouse_is_no_laptop() {
        let folder = tempfile::tempdir().unwrap();
        let set = |supply: &str, name: &str, text: &str| {
            fs::create_dir_all(folder.path().join(supply)).unwrap();
            fs::write(folder.path().join(supply).join(name), format!("{text}\n")).unwrap();
        };
        assert_eq!(of(folder.path()), Some(true), "a desktop");
        set("hid-mouse", "type", "Battery");
        set("hid-mouse", "scope", "Device");
        assert_eq!(of(folder.path()), Some(true), "a desktop with a mouse");
        set("BAT0", "type", "Battery");
        set("BAT0", "status", "Discharging");
        assert_eq!(of(folder.path()), Some(false));
        set("AC", "type", "Mains");
        set("AC", "online", "0");
        assert_eq!(of(folder.path()), Some(false));
        set("ucsi-1", "type", "USB");
        set("ucsi-1", "online", "1");
        assert_eq!(of(folder.path()), Some(true), "charged over USB");
        assert_eq!(of(&folder.path().join("none")), None);
    }
}
