//! Which groups a user is in.

use std::collections::{BTreeMap, BTreeSet};

use super::passwd;
use crate::machine::{Account, Machine};

/// More than any real list.
const MAX_BYTES: u64 = 16 << 20;

/// A user's groups.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Groups {
    /// Their names.
    pub names: BTreeSet<String>,
    /// Their numbers, where the system has such.
    pub gids: BTreeSet<u32>,
}

/// The groups of a user, by the files in `etc` and, on the live machine, by what the system itself says. Groups of a
/// directory service are known only where the system tells them of local accounts; those of a macOS or Windows image
/// are not known.
pub fn groups_of(machine: &Machine, user: &str, uid: Option<u32>) -> Groups {
    let mut groups = of_files(machine, user, uid);
    if machine.is_live() {
        add_from_system(user, uid, &mut groups);
    }
    groups
}

/// The numbers by which a user's rights are judged.
pub fn account(machine: &Machine, user: &str, uid: Option<u32>) -> Account {
    Account { uid, gids: of_files(machine, user, uid).gids }
}

fn of_files(machine: &Machine, user: &str, uid: Option<u32>) -> Groups {
    let bytes = machine.read_system("/etc/group", MAX_BYTES).unwrap_or_default();
    let primary = passwd::primary_group(machine, user, uid);
    of_lines(&bytes, user, primary)
}

/// `name:password:gid:member,member`.
fn of_lines(bytes: &[u8], user: &str, primary: Option<u32>) -> Groups {
    let mut groups = Groups { names: BTreeSet::new(), gids: primary.into_iter().collect() };
    for line in bytes.split(|byte| *byte == b'\n').filter_map(|line| std::str::from_utf8(line).ok()) {
        let fields: Vec<&str> = line.split(':').collect();
        let [name, _, gid, members] = fields[..] else { continue };
        let Ok(gid) = gid.parse::<u32>() else { continue };
        let odd = name.is_empty() || name.starts_with(['+', '-', '#']) || name.contains(char::is_control);
        let member = !user.is_empty() && members.split(',').any(|member| member.trim() == user);
        if !odd && (member || primary == Some(gid)) {
            groups.names.insert(name.to_owned());
            groups.gids.insert(gid);
        }
    }
    groups
}

fn add_from_system(user: &str, uid: Option<u32>, groups: &mut Groups) {
    let Ok(users) = sysinfo::Users::new_with_refreshed_list() else { return };
    let known: BTreeMap<&str, &sysinfo::User> = users.iter().map(|known| (known.name(), known)).collect();
    let Some(found) = known.get(user) else { return };
    #[cfg(unix)]
    if uid.is_some_and(|uid| **found.id() != uid) {
        return;
    }
    #[cfg(not(unix))]
    let _ = uid;
    groups.names.extend(found.groups().iter().map(|group| group.name().to_owned()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn primary_and_further_groups_count_and_broken_lines_do_not() {
        let lines = b"dev:x:1000:\nengineering:x:2000:ana,dev\nother:x:2001:ana\nbroken:x\n+nis:x:1:dev\nbad:x:many:dev\n";
        let groups = of_lines(lines, "dev", Some(1000));
        assert_eq!(groups.names, BTreeSet::from(["dev".to_owned(), "engineering".to_owned()]));
        assert_eq!(groups.gids, BTreeSet::from([1000, 2000]));
        assert_eq!(of_lines(lines, "", None), Groups::default());
        // a name within another is no member
        assert!(of_lines(b"g:x:5:developer\n", "dev", None).names.is_empty());
    }
}
