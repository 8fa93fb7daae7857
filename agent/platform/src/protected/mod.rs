//! Folders that macOS guards (TCC): touching one without permission fails, or shows the user a question.

use std::path::{Path, PathBuf};

use crate::users::HomeLayout;

/// Folders of a home that a background program should not walk into without Full Disk Access.
pub fn protected_folders(home: &Path, layout: HomeLayout) -> Vec<PathBuf> {
    if layout != HomeLayout::Macos {
        return Vec::new();
    }
    let names = [
        "Desktop",
        "Documents",
        "Downloads",
        "Movies",
        "Music",
        "Pictures",
        ".Trash",
        "Library/Accounts",
        "Library/AddressBook",
        "Library/Application Support/AddressBook",
        "Library/Application Support/CallHistoryDB",
        "Library/Application Support/com.apple.TCC",
        "Library/Application Support/FileProvider",
        "Library/Application Support/MobileSync",
        "Library/Autosave Information",
        "Library/Biome",
        "Library/Calendars",
        "Library/CloudStorage",
        "Library/Containers",
        "Library/Cookies",
        "Library/Daemon Containers",
        "Library/Group Containers",
        "Library/HomeKit",
        "Library/IdentityServices",
        "Library/Mail",
        "Library/Messages",
        "Library/Metadata/CoreSpotlight",
        "Library/Mobile Documents",
        "Library/Photos",
        "Library/Reminders",
        "Library/Safari",
        "Library/Sharing",
        "Library/Suggestions",
    ];
    names.iter().map(|name| home.join(name)).collect()
}

/// Whether this process has Full Disk Access. True where there is no such thing.
pub fn has_full_disk_access() -> bool {
    #[cfg(target_os = "macos")]
    {
        // readable with Full Disk Access only, and asking for it never shows a question
        let database = "/Library/Application Support/com.apple.TCC/TCC.db";
        std::fs::OpenOptions::new().read(true).open(database).is_ok()
    }
    #[cfg(not(target_os = "macos"))]
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_macos_homes_have_protected_folders() {
        let folders = protected_folders(Path::new("/Users/ana"), HomeLayout::Macos);
        assert!(folders.contains(&PathBuf::from("/Users/ana/Documents")));
        assert!(folders.contains(&PathBuf::from("/Users/ana/Library/Mobile Documents")));
        // clients keep their files here
        let client = Path::new("/Users/ana/Library/Application Support/Claude/claude_desktop_config.json");
        assert!(!folders.iter().any(|folder| client.starts_with(folder)));
        assert!(protected_folders(Path::new("/home/ana"), HomeLayout::Linux).is_empty());
    }
}
