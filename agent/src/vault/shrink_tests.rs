//! What is left of an original after a day: enough for its very bytes, and nothing of what was not changed.

use std::ops::Range;

use super::tests::{at, entry, folder};
use super::*;

const ORIGINAL: &str = "{ \"mcpServers\": {\n  \"g\": {\"env\": {\"K\": \"gs3cr3t\"}},\n  \"e\": {\"env\": {\"K\": \"es3cr3t\"}}, // c\n  \
    \"v\": {\"args\": [\"p@2.0.0\"]}, } }\n";
const EDITED: &str =
    "{ \"mcpServers\": {\n  \"g\": {\"env\": {\"K\": \"gs3cr3t\"}},\n  \"v\": {\"args\": [\"p@1.0\"]} } }\n";

fn range(of: &str) -> Range<u64> {
    let start = ORIGINAL.find(of).unwrap() as u64;
    start..start + of.len() as u64
}

/// One that was taken out and one that was pinned, of which all is kept.
fn entries() -> Vec<Taken> {
    let taken = |name: &str, action: &str, piece: &str| Taken {
        name: name.to_owned(),
        action: action.to_owned(),
        pieces: vec![range(piece)],
        ..entry()
    };
    let gone = taken("e", "quarantine", "  \"e\": {\"env\": {\"K\": \"es3cr3t\"}}, // c\n");
    vec![gone, taken("v", "pin", "\"v\": {\"args\": [\"p@2.0.0\"]},")]
}

fn kept(vault: &Vault, entries: Vec<Taken>) -> Item {
    let original = Original {
        user: "ann",
        uid: None,
        home: "/home/ann",
        path: Path::new("/home/ann/a"),
        found_as: Path::new("/home/ann/a"),
        client: "cursor",
        names: 1,
        rights: None,
        bytes: ORIGINAL.as_bytes(),
        edited: EDITED.as_bytes(),
        entries,
        beside: None,
        approvals_due: false,
    };
    let item =
        Item { state: State::Quarantined, ..vault.keep(original, at("2026-11-21T10:00:00Z")).unwrap() };
    vault.update(&item).unwrap();
    item
}

fn after_a_day(vault: &Vault, item: &Item) -> Item {
    vault.shrink(at("2026-11-22T10:00:00Z")).unwrap();
    vault.item(&item.id).unwrap()
}

/// All bytes of all objects.
fn objects(vault: &Vault) -> String {
    let names = vault.files("objects").unwrap();
    names.iter().map(|(name, _)| String::from_utf8(vault.get(name).unwrap()).unwrap()).collect()
}

#[test]
fn a_shrunk_original_comes_back_byte_for_byte_whatever_the_edit_took_along_or_wrote() {
    let folder = folder();
    let vault = Vault::open(folder.path()).unwrap();
    let item = after_a_day(&vault, &kept(&vault, entries()));
    assert!(item.shrunk.is_some());
    let objects = objects(&vault);
    assert!(objects.contains("es3cr3t") && !objects.contains("gs3cr3t"), "{objects}");
    assert!(objects.len() < 90, "{objects}");
    assert_eq!(vault.rebuilt(&item, EDITED.as_bytes()).unwrap().unwrap(), ORIGINAL.as_bytes());
    for other in [ORIGINAL, "", &EDITED[1..], &EDITED.replace("p@1.0", "p@1.1")] {
        let rebuilt = vault.rebuilt(&item, other.as_bytes()).unwrap();
        assert!(rebuilt.is_none_or(|whole| whole == ORIGINAL.as_bytes()), "{other}");
    }
    let pieces = vault.pieces(&item).unwrap();
    assert_eq!(pieces[1][0].1, b"\"v\": {\"args\": [\"p@2.0.0\"]},", "each by itself, too");
}

#[test]
fn an_original_whose_entries_share_bytes_stays_whole_until_the_vault_is_full() {
    let folder = folder();
    let vault = Vault::open(folder.path()).unwrap();
    let mut both = entries();
    both[1].pieces = vec![range("// c\n  \"v\": {\"args\": [\"p@2.0.0\"]},")];
    let item = after_a_day(&vault, &kept(&vault, both));
    assert_eq!(vault.rebuilt(&item, b"").unwrap().unwrap(), ORIGINAL.as_bytes());
    let full = Limits {
        keep_after: Timestamp::UNIX_EPOCH,
        taken_now: Timestamp::UNIX_EPOCH,
        most_bytes: 1,
        most_of_user: usize::MAX,
    };
    vault.prune(full).unwrap();
    let item = vault.item(&item.id).unwrap();
    assert!(item.shrunk.is_some() && vault.pieces(&item).is_ok());
}

/// Items of versions before this one have no word of how the file differs.
#[test]
fn items_of_an_earlier_version_are_read_and_shrink_only_where_that_loses_nothing() {
    let folder = folder();
    let vault = Vault::open(folder.path()).unwrap();
    let earlier = |item: &Item| {
        let mut json = serde_json::to_value(item).unwrap();
        json.as_object_mut().unwrap().remove("changed");
        std::fs::write(vault.item_path(&item.id), json.to_string()).unwrap();
        *vault.listed.borrow_mut() = None;
        vault.item(&item.id).unwrap()
    };
    let unclear = earlier(&kept(&vault, entries()));
    assert_eq!(unclear.changed, []);
    let unclear = after_a_day(&vault, &unclear);
    assert_eq!(vault.rebuilt(&unclear, EDITED.as_bytes()).unwrap().unwrap(), ORIGINAL.as_bytes());
    assert!(unclear.shrunk.is_none(), "its comma and its pin are in no piece");

    // one that the earlier version had shrunk: the pieces and nothing else
    let pieces = b"  \"e\": {\"env\": {\"K\": \"es3cr3t\"}}, // c\n";
    let left = ORIGINAL.replace(std::str::from_utf8(pieces).unwrap(), "");
    let mut shrunk = Item { shrunk: Some(vault.put(pieces).unwrap()), ..unclear };
    shrunk.entries.truncate(1);
    vault.update(&shrunk).unwrap();
    let shrunk = earlier(&shrunk);
    assert_eq!(vault.rebuilt(&shrunk, left.as_bytes()).unwrap().unwrap(), ORIGINAL.as_bytes());
    // and one that is whole and has nothing but what was taken out
    let plain = Item { shrunk: None, edited: digest_of(left.as_bytes()), ..shrunk };
    vault.put(ORIGINAL.as_bytes()).unwrap();
    vault.update(&plain).unwrap();
    let plain = after_a_day(&vault, &earlier(&plain));
    assert!(plain.shrunk.is_some());
    assert_eq!(vault.rebuilt(&plain, left.as_bytes()).unwrap().unwrap(), ORIGINAL.as_bytes());
}
