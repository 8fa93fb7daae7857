//! The group of a new file, and what its mode may be when it cannot have the group that was meant.

use std::fs::File;

use rustix::fs::Gid;

use super::refused;
use crate::secure_fs::fault::Fault;

/// Gives a file its group, as far as its owner may. The mode that it may have then, and whether it has the group.
pub(in super::super) fn give_group(file: &File, group: u32, mode: u32) -> Result<(u32, bool), Fault> {
    let has_it = rustix::fs::fstat(file).map_err(refused)?.st_gid == group
        || rustix::fs::fchown(file, None, Some(Gid::from_raw(group))).is_ok();
    Ok(if has_it { (mode, true) } else { (without_group(mode), false) })
}

/// Members of the group are among the others now, and the other way round: all of them get what both had. Attack, and
/// plain mistake: what a group alone was kept from (`0604`), or alone could write, would be open to somebody else.
fn without_group(mode: u32) -> u32 {
    let both = (mode >> 3) & mode & 0o7;
    (mode & 0o700) | (both << 3) | both
}

#[cfg(test)]
mod tests {
    use super::without_group;

    #[test]
    fn whoever_loses_or_gets_a_group_has_no_more_rights_than_before() {
        for (before, after) in [
            (0o664, 0o644),
            (0o660, 0o600),
            (0o644, 0o644),
            (0o604, 0o600),
            (0o646, 0o644),
            (0o777, 0o777),
            (0o600, 0o600),
        ] {
            assert_eq!(without_group(before), after, "{before:o}");
        }
    }
}
