//! Managed files on a machine: read, put in place, taken away. They lie where only an administrator can write.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use mcpolicy_native::{Place, Target};
use mcpolicy_platform::durable;
use mcpolicy_platform::machine::{Machine, ReadError};

/// Largest managed file that is read or written, in bytes.
pub const MAX_BYTES: u64 = 4 << 20;
/// Files of one folder beside a target that are read.
const MOST_BESIDE: usize = 200;

/// What stands at a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// A file, or nothing.
    Bytes(Option<Vec<u8>>),
    /// Something that is left as it is, and why.
    Barred(String),
}

/// The file of a target on this host. Nothing for what is no file here.
pub fn host_path(machine: &Machine, target: &Target) -> Option<PathBuf> {
    match &target.place {
        // of Windows the variables are the system's own, and its files are for MDM until they were tried there
        Place::File(path) if !path.contains('%') => Some(machine.host_path(Path::new(path))),
        Place::File(_) | Place::Registry(_) | Place::Preferences(_) => None,
    }
}

/// Reads what stands at a target.
pub fn find(machine: &Machine, target: &Target) -> Found {
    let (Place::File(path), Some(host)) = (&target.place, host_path(machine, target)) else {
        return Found::Barred("it is no file here: MDM or a group policy brings it".to_owned());
    };
    if goes_through_link(machine, &host) {
        return Found::Barred("a link leads there".to_owned());
    }
    match std::fs::symlink_metadata(&host) {
        // a link is how other tools manage the file: what stood in its place would cut it off from them
        Ok(found) if !found.is_file() => Found::Barred("no plain file stands there".to_owned()),
        Ok(_) if !durable::is_readable_by_all(&machine.host_path(Path::new("/")), &host) => {
            Found::Barred("not everybody can read it, so that clients do not obey it".to_owned())
        }
        _ => match machine.read(Path::new(path), None, MAX_BYTES) {
            Ok(snapshot) => Found::Bytes(Some(snapshot.bytes)),
            Err(ReadError::NotFound) => Found::Bytes(None),
            Err(error) => Found::Barred(error.to_string()),
        },
    }
}

/// Attack: in a folder that is taken for a machine `etc/codex` is a link to that of this host. Of the live machine the folders
/// above are its administrator's, and `/etc` itself is a link on macOS.
fn goes_through_link(machine: &Machine, host: &Path) -> bool {
    let root = machine.host_path(Path::new("/"));
    let is_link = |folder: &Path| std::fs::symlink_metadata(folder).is_ok_and(|found| found.is_symlink());
    let mut above =
        host.ancestors().skip(1).take_while(|folder| *folder != root && folder.starts_with(&root));
    !machine.is_live() && above.any(is_link)
}

/// Reads other files of the same client, by their paths. What cannot be read is left out: the client cannot either.
pub fn beside(machine: &Machine, target: &Target) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    let mut add = |path: String| {
        if let Ok(snapshot) = machine.read(Path::new(&path), None, MAX_BYTES) {
            all.insert(path, snapshot.bytes);
        }
    };
    for path in target.beside {
        let Some(folder) = path.strip_suffix('*') else {
            add((*path).to_owned());
            continue;
        };
        let names = machine.list(Path::new(folder)).unwrap_or_default();
        let names = names.iter().filter_map(|entry| entry.name.to_str()).take(MOST_BESIDE);
        names.for_each(|name| add(format!("{folder}{name}")));
    }
    all
}

/// Puts bytes in place, for everybody to read, or takes the file away.
///
/// # Errors
/// The system refuses; the file of before is still there then.
pub fn put(host: &Path, bytes: Option<&[u8]>) -> io::Result<()> {
    match bytes {
        Some(bytes) => durable::replace_public(host, bytes),
        None => match std::fs::remove_file(host) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        },
    }
}
