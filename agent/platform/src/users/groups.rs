//! Which groups a user is in.

use std::collections::{BTreeMap, BTreeSet};

use super::{HomeLayout, passwd};
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

/// Most groups that an image gives a user; the system takes no more than 65,536.
const MAX_BY_IMAGE: usize = 1024;

/// The groups that a user of an image has on this machine, the host: his primary one, and of the others each that the host
/// has no use for, or in which the host itself has the user of that number.
///
/// Attack: an image whose `etc/group` puts its user in `disk`, `shadow` or `docker`. The worker is shut in to the image,
/// but not by every kernel, and a fault of a parser would be that user's with those groups.
pub(crate) fn by_image(host: &Machine, uid: u32, primary: u32, groups: &[u32]) -> Vec<u32> {
    let is_had = of_host(host, uid);
    let further = groups.iter().copied().filter(|gid| *gid != primary && is_had(*gid));
    std::iter::once(primary).chain(further.take(MAX_BY_IMAGE)).collect()
}

fn of_host(host: &Machine, uid: u32) -> impl Fn(u32) -> bool {
    let lines = host.read_system("/etc/group", MAX_BYTES).unwrap_or_default();
    let gid_of =
        |line: &[u8]| std::str::from_utf8(line.split(|byte| *byte == b':').nth(2)?).ok()?.parse().ok();
    let mut known: BTreeSet<u32> = lines.split(|byte| *byte == b'\n').filter_map(gid_of).collect();
    // elsewhere (macOS) groups are in no file: none is known to be without a use
    let is_complete = HomeLayout::HOST == HomeLayout::Linux && !known.is_empty();
    known.extend(passwd::primary_groups(host));
    let name = passwd::name_of(host, uid).unwrap_or_default();
    let own = of_files(host, &name, Some(uid)).gids;
    move |gid| gid != 0 && (own.contains(&gid) || is_complete && !known.contains(&gid))
}

/// `name:password:gid:member,member`.
fn of_lines(bytes: &[u8], user: &str, primary: Option<u32>) -> Groups {
    let mut groups = Groups { names: BTreeSet::new(), gids: primary.into_iter().collect() };
    for line in bytes.split(|byte| *byte == b'\n').filter_map(|line| std::str::from_utf8(line).ok()) {
        let fields: Vec<&str> = line.split(':').collect();
        let [name, _, gid, members] = fields[..] else { continue };
        let Some(gid) = passwd::number(gid) else { continue };
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
        // the number that the system takes for none ended the worker of each home with it
        assert_eq!(of_lines(b"g:x:4294967295:dev\nh:x:7:dev\n", "dev", None).gids, BTreeSet::from([7]));
        // a name within another is no member
        assert!(of_lines(b"g:x:5:developer\n", "dev", None).names.is_empty());
    }
}
