//! Windows: the profiles in the registry.

#![allow(unsafe_code, reason = "std does not tell whether a token is elevated")]

use std::ffi::c_void;
use std::path::{Path, PathBuf};

use windows_sys::Win32::Foundation::{CloseHandle, HANDLE};
use windows_sys::Win32::Security::{GetTokenInformation, TOKEN_ELEVATION, TOKEN_QUERY, TokenElevation};
use windows_sys::Win32::System::Threading::{GetCurrentProcess, OpenProcessToken};

use super::registry::{Hive, Key};
use super::{Home, HomeLayout, name_of_directory, wsl};
use crate::machine::{FileKind, Machine};

const PROFILES: &str = r"SOFTWARE\Microsoft\Windows NT\CurrentVersion\ProfileList";

/// Whether this process is elevated: SYSTEM and services are.
pub fn is_privileged() -> bool {
    let mut token: HANDLE = std::ptr::null_mut();
    // SAFETY: the pseudo handle of the own process is always valid, and `token` is ours to be written to
    if unsafe { OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &mut token) } == 0 {
        return false;
    }
    let mut elevation = TOKEN_ELEVATION { TokenIsElevated: 0 };
    let mut written = 0_u32;
    let size = u32::try_from(size_of::<TOKEN_ELEVATION>()).unwrap_or(0);
    let place = (&raw mut elevation).cast::<c_void>();
    // SAFETY: the token is open, and `place` is to a structure of `size` bytes
    let told = unsafe { GetTokenInformation(token, TokenElevation, place, size, &mut written) } != 0;
    // SAFETY: the token was opened above, and nothing uses it from here on
    unsafe { CloseHandle(token) };
    told && elevation.TokenIsElevated != 0
}

/// The number of the user that this process runs as.
pub fn own_uid() -> Option<u32> {
    None
}

pub(super) fn all_homes(machine: &Machine) -> Vec<Home> {
    let Some(profiles) = Key::open(Hive::Machine, PROFILES) else { return Vec::new() };
    let mut homes = Vec::new();
    for sid in profiles.subkeys() {
        // people of the machine or a domain, and of Entra ID; not services
        if !sid.starts_with("S-1-5-21-") && !sid.starts_with("S-1-12-1-") {
            continue;
        }
        let path = Key::open(Hive::Machine, &format!("{PROFILES}\\{sid}"))
            .and_then(|key| key.text("ProfileImagePath"));
        let Some(path) = path.map(PathBuf::from) else { continue };
        if machine.kind(&path) != Some(FileKind::Directory) {
            continue;
        }
        homes.extend(wsl::homes_of_user(machine, &sid));
        homes.push(home(&path));
    }
    homes
}

fn home(path: &Path) -> Home {
    let user = name_of_directory(path);
    Home { user, uid: None, path: path.to_owned(), layout: HomeLayout::Windows, within_wsl: None }
}
