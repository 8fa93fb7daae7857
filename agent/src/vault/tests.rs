use std::ops::Range;

use super::*;

const ORIGINAL: &[u8] =
    br#"{"mcpServers":{"bad":{"command":"evil","env":{"TOKEN":"s3cr3t"}},"good":{"command":"npx"}}}"#;
const EDITED: &[u8] = br#"{"mcpServers":{"good":{"command":"npx"}}}"#;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn entry() -> Taken {
    Taken {
        name: "bad".into(),
        key_path: "/mcpServers/bad".into(),
        fingerprint: "sha256:0".into(),
        identity: "executable evil".into(),
        action: "quarantine".into(),
        code: "not-allowed".into(),
        detail: "no rule is about it".into(),
        pieces: Vec::from([Range { start: 15, end: 66 }]),
        left: None,
        restored: false,
    }
}

fn keep(vault: &Vault, path: &str, bytes: &[u8], now: Timestamp) -> Item {
    let original = Original {
        user: "ann",
        home: "/home/ann",
        path,
        found_as: path,
        client: "cursor",
        bytes,
        edited: EDITED,
        entries: vec![entry()],
        beside: None,
    };
    vault.keep(original, now).unwrap()
}

fn proved(vault: &Vault, mut item: Item) -> Item {
    item.state = State::Quarantined;
    vault.update(&item).unwrap();
    item
}

#[test]
fn an_original_comes_back_byte_for_byte() {
    let folder = tempfile::tempdir().unwrap();
    let vault = Vault::open(folder.path()).unwrap();
    let item = keep(&vault, "/home/ann/.cursor/mcp.json", ORIGINAL, at("2026-11-21T10:00:00Z"));
    assert_eq!(vault.item(&item.id).unwrap(), item);
    assert_eq!(vault.original(&item).unwrap().unwrap(), ORIGINAL);
    assert_eq!(vault.pieces(&item).unwrap(), [vec![(15..66, ORIGINAL[15..66].to_vec())]]);
}

#[test]
fn a_proved_original_shrinks_to_its_pieces_after_a_day_and_a_pending_one_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let vault = Vault::open(folder.path()).unwrap();
    let now = at("2026-11-21T10:00:00Z");
    let item = proved(&vault, keep(&vault, "/a", ORIGINAL, now));
    let pending =
        keep(&vault, "/b", b"another original, fifty bytes or more in length, that is pending still", now);
    assert_eq!(vault.shrink(at("2026-11-22T09:59:59Z")).unwrap(), 0);
    assert_eq!(vault.shrink(at("2026-11-22T10:00:00Z")).unwrap(), 1);
    let item = vault.item(&item.id).unwrap();
    assert_eq!(vault.original(&item).unwrap(), None);
    assert_eq!(vault.pieces(&item).unwrap(), [vec![(15..66, ORIGINAL[15..66].to_vec())]]);
    assert!(vault.original(&pending).unwrap().is_some());
    let objects = std::fs::read_dir(folder.path().join("objects")).unwrap().count();
    assert_eq!(objects, 2, "the whole original is gone");
}

#[test]
fn the_oldest_go_first_and_pending_ones_never() {
    let folder = tempfile::tempdir().unwrap();
    let vault = Vault::open(folder.path()).unwrap();
    let pending = keep(&vault, "/pending", &[b'p'; 1000], at("2026-01-01T00:00:00Z"));
    let old = proved(&vault, keep(&vault, "/old", &[b'o'; 1000], at("2026-02-01T00:00:00Z")));
    let middle = proved(&vault, keep(&vault, "/middle", &[b'm'; 1000], at("2026-10-01T00:00:00Z")));
    let young = proved(&vault, keep(&vault, "/young", &[b'y'; 1000], at("2026-11-01T00:00:00Z")));
    let ids = |items: &[Item]| items.iter().map(|item| item.id.clone()).collect::<Vec<_>>();
    let by_age =
        vault.prune(Limits { keep_after: at("2026-06-01T00:00:00Z"), most_bytes: u64::MAX }).unwrap();
    assert_eq!(ids(&by_age), [old.id]);
    let by_size = vault.prune(Limits { keep_after: Timestamp::UNIX_EPOCH, most_bytes: 2000 }).unwrap();
    assert_eq!(ids(&by_size), [middle.id]);
    assert_eq!(ids(&vault.items().unwrap().0), [pending.id, young.id]);
}

#[test]
fn equal_originals_are_kept_once_and_go_with_the_last_item_that_needs_them() {
    let folder = tempfile::tempdir().unwrap();
    let vault = Vault::open(folder.path()).unwrap();
    let one = proved(&vault, keep(&vault, "/one", ORIGINAL, at("2026-11-21T10:00:00Z")));
    let two = proved(&vault, keep(&vault, "/two", ORIGINAL, at("2026-11-21T10:00:00Z")));
    vault.forget(&one).unwrap();
    assert_eq!(vault.original(&two).unwrap().unwrap(), ORIGINAL);
    vault.forget(&two).unwrap();
    assert_eq!(std::fs::read_dir(folder.path().join("objects")).unwrap().count(), 0);
}

#[test]
fn a_damaged_object_is_told_and_never_given_out() {
    let folder = tempfile::tempdir().unwrap();
    let vault = Vault::open(folder.path()).unwrap();
    let item = keep(&vault, "/a", ORIGINAL, at("2026-11-21T10:00:00Z"));
    std::fs::write(folder.path().join("objects").join(&item.original), "something else").unwrap();
    assert!(matches!(vault.original(&item), Err(VaultError::Damaged { .. })));
    let again = keep(&vault, "/a", ORIGINAL, at("2026-11-21T11:00:00Z"));
    assert_eq!(vault.original(&again).unwrap().unwrap(), ORIGINAL, "it is put there anew");
}

#[test]
fn an_id_is_never_a_path() {
    let folder = tempfile::tempdir().unwrap();
    let vault = Vault::open(&folder.path().join("vault")).unwrap();
    std::fs::write(folder.path().join("x.json"), "{}").unwrap();
    for id in ["../../x", "", "..", "/etc/passwd", "a/b", "q-\0"] {
        assert!(matches!(vault.item(id), Err(VaultError::NoItem(_))), "{id:?}");
    }
}

#[test]
fn nobody_else_can_look_into_the_vault() {
    let folder = tempfile::tempdir().unwrap();
    let vault = Vault::open(&folder.path().join("vault")).unwrap();
    let item = keep(&vault, "/a", ORIGINAL, at("2026-11-21T10:00:00Z"));
    for path in [vault.folder.clone(), vault.object_path(&item.original), vault.item_path(&item.id)] {
        assert!(durable::is_private(&path), "{}", path.display());
    }
    assert!(folder.path().join("vault/CACHEDIR.TAG").exists());
}
