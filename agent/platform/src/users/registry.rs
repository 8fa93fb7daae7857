//! Reading the Windows registry.

#![allow(unsafe_code, reason = "std cannot read the registry")]

use std::ffi::c_void;
use std::iter;

use windows_sys::Win32::Foundation::{ERROR_MORE_DATA, ERROR_SUCCESS};
use windows_sys::Win32::System::Registry::{
    HKEY, HKEY_LOCAL_MACHINE, HKEY_USERS, KEY_READ, KEY_WOW64_64KEY, RRF_RT_REG_SZ, RegCloseKey,
    RegEnumKeyExW, RegGetValueW, RegOpenKeyExW,
};

/// Longest name of a key, in UTF-16, with its end.
const MAX_NAME: usize = 256;
/// More keys than any machine has profiles or distributions.
const MAX_KEYS: u32 = 10_000;
/// Longest text that is taken: a path.
const MAX_TEXT: usize = 32 * 1024;

/// Where a path of keys begins.
#[derive(Clone, Copy)]
pub(crate) enum Hive {
    Machine,
    Users,
}

/// An open key.
pub(crate) struct Key(HKEY);

impl Key {
    pub(crate) fn open(hive: Hive, path: &str) -> Option<Self> {
        let hive = match hive {
            Hive::Machine => HKEY_LOCAL_MACHINE,
            Hive::Users => HKEY_USERS,
        };
        let path = wide(path);
        let mut key: HKEY = std::ptr::null_mut();
        // SAFETY: `path` ends in zero and outlives the call; `key` is ours to be written to
        let status = unsafe { RegOpenKeyExW(hive, path.as_ptr(), 0, KEY_READ | KEY_WOW64_64KEY, &mut key) };
        (status == ERROR_SUCCESS).then_some(Self(key))
    }

    pub(crate) fn subkeys(&self) -> Vec<String> {
        let mut names = Vec::new();
        for index in 0..MAX_KEYS {
            let mut buffer = [0_u16; MAX_NAME];
            let mut length = MAX_NAME as u32;
            let none = std::ptr::null_mut();
            // SAFETY: the key is open as long as `self` lives; `length` is the size of `buffer`; what is not wanted is null
            let status = unsafe {
                let reserved = std::ptr::null();
                RegEnumKeyExW(
                    self.0,
                    index,
                    buffer.as_mut_ptr(),
                    &mut length,
                    reserved,
                    none,
                    none.cast(),
                    none.cast(),
                )
            };
            match status {
                ERROR_SUCCESS => names.extend(buffer.get(..length as usize).map(String::from_utf16_lossy)),
                ERROR_MORE_DATA => {}
                _ => break,
            }
        }
        names
    }

    /// A text value, with `%SystemDrive%` and its like written out by the system.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        let name = wide(name);
        let mut buffer = vec![0_u16; MAX_TEXT];
        let mut bytes = u32::try_from(buffer.len() * size_of::<u16>()).ok()?;
        let place = buffer.as_mut_ptr().cast::<c_void>();
        // SAFETY: the key is open; `name` ends in zero; `bytes` is the size of the buffer at `place`
        let status = unsafe {
            let kind = std::ptr::null_mut();
            RegGetValueW(self.0, std::ptr::null(), name.as_ptr(), RRF_RT_REG_SZ, kind, place, &mut bytes)
        };
        if status != ERROR_SUCCESS {
            return None;
        }
        let end = buffer.iter().position(|unit| *unit == 0)?;
        String::from_utf16(&buffer[..end]).ok().filter(|text| !text.is_empty())
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        // SAFETY: the key was opened by `open` and is closed only here
        unsafe { RegCloseKey(self.0) };
    }
}

fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().chain(iter::once(0)).collect()
}
