//! By the drive's type.

#![allow(unsafe_code, reason = "std does not tell types of drives")]

use std::path::{Component, Path, Prefix};

use windows_sys::Win32::Storage::FileSystem::{GetDiskFreeSpaceExW, GetDriveTypeW};
use windows_sys::Win32::System::WindowsProgramming::DRIVE_REMOTE;

use crate::machine::windows_device_of;

pub(super) fn is_network(path: &Path) -> bool {
    let Some(Component::Prefix(prefix)) = path.components().next() else { return false };
    match prefix.kind() {
        // WSL's shares too: they may have to start a machine before they answer
        Prefix::UNC(..) | Prefix::VerbatimUNC(..) => true,
        Prefix::Disk(letter) | Prefix::VerbatimDisk(letter) => {
            let root: Vec<u16> = [letter, b':', b'\\', 0].map(u16::from).to_vec();
            // SAFETY: `root` is a string of UTF-16 that ends in zero and outlives the call
            (unsafe { GetDriveTypeW(root.as_ptr()) }) == DRIVE_REMOTE
        }
        _ => false,
    }
}

pub(super) fn device_of(path: &Path) -> Option<u64> {
    windows_device_of(path)
}

pub(super) fn free_bytes(path: &Path) -> Option<u64> {
    use std::os::windows::ffi::OsStrExt as _;
    let path: Vec<u16> = path.as_os_str().encode_wide().chain([0]).collect();
    let mut free = 0_u64;
    let none = std::ptr::null_mut();
    // SAFETY: `path` ends in zero and outlives the call; `free` is ours to be written to; what is not wanted is null
    let done = unsafe { GetDiskFreeSpaceExW(path.as_ptr(), &mut free, none, none) };
    (done != 0).then_some(free)
}
