//! A crash at each step: afterwards an item is there whole, with its bytes, or not at all, and the vault goes on.

use super::disk::steps;
use super::tests::{ORIGINAL, at, entry, folder, keep, proved};
use super::*;

/// Stops some work after each of its steps, on a vault that `prepare` made, and looks at it when it is opened again.
fn crash_everywhere<P>(
    prepare: impl Fn(&Vault) -> P,
    work: impl Fn(&Vault, &P) -> Result<(), VaultError>,
    look: impl Fn(&Vault, &P, usize, bool),
) -> usize {
    for most in 0.. {
        let folder = folder();
        let vault = Vault::open(folder.path()).unwrap();
        let prepared = prepare(&vault);
        let (done, _) = steps::within(Some(most), || work(&vault, &prepared));
        drop(vault);
        let vault = Vault::open(folder.path()).unwrap();
        assert_eq!(vault.items().unwrap().1, Vec::<PathBuf>::new(), "no item is half there, step {most}");
        look(&vault, &prepared, most, done.is_ok());
        let named: std::collections::BTreeSet<String> =
            vault.items().unwrap().0.iter().flat_map(Item::objects).map(str::to_owned).collect();
        let there: std::collections::BTreeSet<String> = std::fs::read_dir(folder.path().join("objects"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        assert_eq!(there, named, "no more and no fewer bytes than items need, step {most}");
        if done.is_ok() {
            return most;
        }
    }
    0
}

fn try_keep(vault: &Vault, path: &str) -> Result<Item, VaultError> {
    let original = Original {
        user: "ann",
        uid: None,
        home: "/home/ann",
        path: Path::new(path),
        found_as: Path::new(path),
        client: "cursor",
        names: 1,
        rights: None,
        bytes: ORIGINAL,
        edited: b"{}",
        entries: vec![entry()],
        beside: None,
        approvals_due: false,
    };
    vault.keep(original, at("2026-11-21T10:00:00Z"))
}

#[test]
fn a_crash_while_an_original_is_kept_leaves_a_whole_item_or_none() {
    let steps = crash_everywhere(
        |_| (),
        |vault, ()| try_keep(vault, "/a").map(drop),
        |vault, (), step, is_done| {
            let items = vault.items().unwrap().0;
            assert!(items.len() <= 1 && (!is_done || items.len() == 1), "step {step}");
            for item in &items {
                assert_eq!(vault.original(item).unwrap().unwrap(), ORIGINAL, "step {step}");
                assert_eq!(item.state, State::Pending);
            }
            let again = try_keep(vault, "/a").unwrap();
            assert_eq!(vault.original(&again).unwrap().unwrap(), ORIGINAL, "step {step}");
        },
    );
    assert!(steps >= 8, "{steps}");
}

#[test]
fn a_crash_while_an_original_shrinks_leaves_all_of_it_or_its_pieces() {
    let day_later = at("2026-11-22T10:00:00Z");
    let steps = crash_everywhere(
        |vault| proved(vault, keep(vault, "/a", ORIGINAL, at("2026-11-21T10:00:00Z"))),
        |vault, _| vault.shrink(day_later).map(drop),
        |vault, item, step, is_done| {
            let item = vault.item(&item.id).unwrap();
            assert_eq!(vault.pieces(&item).unwrap()[0], [(15..66, ORIGINAL[15..66].to_vec())], "step {step}");
            assert!(!is_done || item.shrunk.is_some());
            vault.shrink(day_later).unwrap();
            assert_eq!(vault.original(&vault.item(&item.id).unwrap()).unwrap(), None);
        },
    );
    assert!(steps >= 8, "{steps}");
}

#[test]
fn a_crash_while_an_item_goes_leaves_the_others_whole() {
    let steps = crash_everywhere(
        |vault| {
            let now = at("2026-11-21T10:00:00Z");
            [
                keep(vault, "/same", ORIGINAL, now),
                keep(vault, "/other", b"other", now),
                keep(vault, "/a", ORIGINAL, now),
            ]
        },
        |vault, [_, _, item]| vault.forget(item),
        |vault, [same, other, item], step, is_done| {
            assert_eq!(vault.original(same).unwrap().unwrap(), ORIGINAL, "step {step}");
            assert_eq!(vault.original(other).unwrap().unwrap(), b"other", "step {step}");
            match vault.item(&item.id) {
                Ok(item) => assert!(!is_done && vault.original(&item).unwrap().is_some(), "step {step}"),
                Err(error) => assert!(matches!(error, VaultError::NoItem(_)), "step {step}: {error}"),
            }
        },
    );
    assert!(steps >= 2, "{steps}");
}

#[test]
fn a_crash_while_an_item_is_written_anew_leaves_the_old_or_the_new_one() {
    crash_everywhere(
        |vault| keep(vault, "/a", ORIGINAL, at("2026-11-21T10:00:00Z")),
        |vault, item| vault.update(&Item { state: State::Quarantined, ..item.clone() }),
        |vault, item, step, is_done| {
            let now = vault.item(&item.id).unwrap();
            assert!(now.state == State::Quarantined || (!is_done && now == *item), "step {step}");
        },
    );
}

/// Bytes before their name, the name before the item, and the item before anybody is told that all is kept.
#[test]
fn the_original_is_on_the_disk_before_the_item_that_names_it_and_both_before_the_change() {
    let folder = folder();
    let vault = Vault::open(folder.path()).unwrap();
    let (item, taken) = steps::within(None, || try_keep(&vault, "/a").unwrap());
    let (object, root) = (&item.original, folder.path().file_name().unwrap().to_string_lossy());
    let expected = [
        format!("write objects/{object}.new"),
        format!("sync objects/{object}.new"),
        format!("rename objects/{object}"),
        format!("sync {root}/objects"),
        format!("write items/{}.new", item.id),
        format!("sync items/{}.new", item.id),
        format!("rename items/{}.json", item.id),
        format!("sync {root}/items"),
    ];
    assert_eq!(taken, expected);
    // bytes that are there already: that their name is on the disk is made sure of all the same
    let (_, taken) = steps::within(None, || try_keep(&vault, "/b").unwrap());
    assert_eq!(taken[0], format!("sync {root}/objects"));
    assert_eq!(taken.len(), 5);
}
