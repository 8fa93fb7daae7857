use std::ops::Range;

pub(super) use mcpolicy_tests::private::private_folder as folder;
use mcpolicy_tests::private::{link_folder, set_mode};

use super::*;

pub(super) const ORIGINAL: &[u8] =
    br#"{"mcpServers":{"bad":{"command":"evil","env":{"TOKEN":"s3cr3t"}},"good":{"command":"npx"}}}"#;
const EDITED: &[u8] = br#"{"mcpServers":{"good":{"command":"npx"}}}"#;

pub(super) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(super) fn entry() -> Taken {
    Taken {
        name: "bad".into(),
        key_path: "/mcpServers/bad".into(),
        fingerprint: "sha256:0".into(),
        identity: "executable evil".into(),
        action: "quarantine".into(),
        code: "not-allowed".into(),
        detail: "no rule is about it".into(),
        told: None,
        pieces: Vec::from([Range { start: 15, end: 66 }]),
        left: None,
        restored: false,
    }
}

/// What is left where the piece of the entry is taken out.
fn without_entry(bytes: &[u8]) -> Vec<u8> {
    [&bytes[..bytes.len().min(15)], &bytes[bytes.len().min(66)..]].concat()
}

pub(super) fn keep(vault: &Vault, path: &str, bytes: &[u8], now: Timestamp) -> Item {
    let edited = without_entry(bytes);
    vault.keep(Original { edited: &edited, ..original(path, bytes) }, now).unwrap()
}

fn original<'a>(path: &'a str, bytes: &'a [u8]) -> Original<'a> {
    Original {
        user: "ann",
        uid: None,
        home: "/home/ann",
        path: Path::new(path),
        found_as: Path::new(path),
        client: "cursor",
        names: 1,
        rights: None,
        bytes,
        edited: EDITED,
        entries: vec![entry()],
        beside: None,
        approvals_due: false,
    }
}

/// One that cannot shrink.
fn whole(vault: &Vault, mut item: Item) -> Item {
    item.entries[0].action = "quarantine-file".to_owned();
    proved(vault, item)
}

fn limits(most_bytes: u64) -> Limits {
    Limits {
        keep_after: Timestamp::UNIX_EPOCH,
        taken_now: Timestamp::MAX,
        most_bytes,
        most_of_user: usize::MAX,
    }
}

pub(super) fn proved(vault: &Vault, mut item: Item) -> Item {
    item.state = State::Quarantined;
    vault.update(&item).unwrap();
    item
}

#[test]
fn an_original_comes_back_byte_for_byte() {
    let folder = folder();
    let vault = Vault::open(folder.path()).unwrap();
    let item = keep(&vault, "/home/ann/.cursor/mcp.json", ORIGINAL, at("2026-11-21T10:00:00Z"));
    assert_eq!(vault.item(&item.id).unwrap(), item);
    assert_eq!(vault.original(&item).unwrap().unwrap(), ORIGINAL);
    assert_eq!(vault.pieces(&item).unwrap(), [vec![(15..66, ORIGINAL[15..66].to_vec())]]);
}

#[test]
fn a_proved_original_shrinks_to_its_pieces_after_a_day_and_a_pending_one_does_not() {
    let folder = folder();
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
    let folder = folder();
    let vault = Vault::open(folder.path()).unwrap();
    let pending = keep(&vault, "/pending", &[b'p'; 1000], at("2026-01-01T00:00:00Z"));
    let old = whole(&vault, keep(&vault, "/old", &[b'o'; 1000], at("2026-02-01T00:00:00Z")));
    let middle = whole(&vault, keep(&vault, "/middle", &[b'm'; 1000], at("2026-10-01T00:00:00Z")));
    let young = whole(&vault, keep(&vault, "/young", &[b'y'; 1000], at("2026-11-01T00:00:00Z")));
    let ids = |items: &[Item]| items.iter().map(|item| item.id.clone()).collect::<Vec<_>>();
    let by_age = vault
        .prune(Limits {
            keep_after: at("2026-06-01T00:00:00Z"),
            taken_now: Timestamp::MAX,
            most_bytes: u64::MAX,
            most_of_user: usize::MAX,
        })
        .unwrap();
    assert_eq!(ids(&by_age.items), [old.id]);
    let enough = limits(bytes_of(&vault));
    assert_eq!(vault.prune(enough).unwrap().items, []);
    let by_size = vault.prune(Limits { most_bytes: enough.most_bytes - 1, ..enough }).unwrap();
    assert_eq!(ids(&by_size.items), [middle.id]);
    assert_eq!(ids(&vault.items().unwrap().0), [pending.id, young.id]);
}

#[test]
fn a_user_has_no_more_items_than_the_limit_and_what_came_back_goes_first() {
    let folder = folder();
    let vault = Vault::open(folder.path()).unwrap();
    let taken = |day: u8, user: &str| {
        let path = format!("/home/{user}/{day}");
        let now = at(&format!("2026-11-{day:02}T00:00:00Z"));
        let item = proved(&vault, keep(&vault, &path, path.as_bytes(), now));
        let item = Item { user: user.to_owned(), ..item };
        vault.update(&item).unwrap();
        item
    };
    let anns: Vec<Item> = (1..=6).map(|day| taken(day, "ann")).collect();
    let bobs = [taken(1, "bob"), taken(2, "bob")];
    let back = Item { state: State::Restored, ..anns[4].clone() };
    vault.update(&back).unwrap();
    let pending = Item { state: State::Pending, ..anns[0].clone() };
    vault.update(&pending).unwrap();
    let gone = vault.prune(Limits { most_of_user: 4, ..limits(u64::MAX) }).unwrap();
    assert_eq!((gone.too_many, gone.items), (vec![("ann".to_owned(), 2)], Vec::new()));
    let left: Vec<String> = vault.items().unwrap().0.into_iter().map(|item| item.id).collect();
    let expected = [&anns[0], &bobs[0], &anns[2], &anns[3], &anns[5], &bobs[1]];
    let mut expected: Vec<String> = expected.iter().map(|item| item.id.clone()).collect();
    let mut left_sorted = left;
    expected.sort();
    left_sorted.sort();
    assert_eq!(left_sorted, expected);
    // another user's share is this user's no more
    assert_eq!(vault.prune(Limits { most_of_user: 4, ..limits(u64::MAX) }).unwrap().too_many, []);
}

/// Edits of one file are undone in the reverse order, which its id, a digest, says nothing of.
#[test]
fn items_that_were_taken_at_the_same_time_keep_their_order() {
    let folder = folder();
    let now = at("2026-11-21T10:00:00Z");
    let mut kept = Vec::new();
    for opening in 0..2_u8 {
        let vault = Vault::open(folder.path()).unwrap();
        kept.extend((0..6_u8).map(|n| proved(&vault, keep(&vault, "/a", &[opening * 10 + n; 80], now)).id));
        let ids: Vec<String> = vault.items().unwrap().0.into_iter().map(|item| item.id).collect();
        assert_eq!(ids, kept);
    }
}

#[test]
fn equal_originals_are_kept_once_and_go_with_the_last_item_that_needs_them() {
    let folder = folder();
    let vault = Vault::open(folder.path()).unwrap();
    let one = proved(&vault, keep(&vault, "/one", ORIGINAL, at("2026-11-21T10:00:00Z")));
    let two = proved(&vault, keep(&vault, "/two", ORIGINAL, at("2026-11-21T10:00:00Z")));
    vault.forget(&one).unwrap();
    assert_eq!(vault.original(&two).unwrap().unwrap(), ORIGINAL);
    vault.forget(&two).unwrap();
    assert_eq!(std::fs::read_dir(folder.path().join("objects")).unwrap().count(), 0);
}

#[test]
fn what_was_read_once_is_what_a_vault_that_is_opened_anew_reads() {
    let folder = folder();
    let vault = Vault::open(folder.path()).unwrap();
    let now = at("2026-11-21T10:00:00Z");
    let all: Vec<Item> = (0..9_u8).map(|n| keep(&vault, &format!("/{n}"), &[n / 3; 80], now)).collect();
    let is_same = |what: &str| {
        let anew = Vault::look(folder.path()).unwrap();
        assert_eq!(vault.items().unwrap(), anew.items().unwrap(), "{what}");
        let items = vault.items().unwrap().0;
        let objects = vault.files("objects").unwrap();
        assert!(items.iter().all(|item| vault.pieces(item).is_ok()), "{what}");
        assert_eq!(
            objects.len(),
            items.iter().flat_map(Item::objects).collect::<std::collections::BTreeSet<_>>().len()
        );
    };
    is_same("kept");
    for item in &all[..6] {
        proved(&vault, item.clone());
    }
    is_same("proved");
    vault.forget(&all[8]).unwrap();
    is_same("forgotten");
    let young = proved(&vault, keep(&vault, "/young", &[7; 99], at("2026-11-23T10:00:00Z")));
    assert_eq!(vault.shrink(at("2026-11-22T10:00:00Z")).unwrap(), 6);
    is_same("shrunk");
    let gone = vault
        .prune(Limits {
            keep_after: at("2026-11-22T10:00:00Z"),
            taken_now: Timestamp::MAX,
            most_bytes: u64::MAX,
            most_of_user: usize::MAX,
        })
        .unwrap();
    assert_eq!(gone.items.len(), 6);
    is_same("pruned");
    vault.forget(&young).unwrap();
    assert_eq!(vault.items().unwrap().0.len(), 2, "those that are pending");
}

/// An entry as reports show it.
fn shown() -> Box<mcpolicy_schema::report::v1::Entry> {
    use crate::answers::testing::{draft, report};
    Box::new(report(&draft(""), &[("pad", ".cursor/mcp.json")]).entries.remove(0))
}

#[test]
fn what_reports_show_of_an_entry_stays_on_the_disk_and_outlasts_each_change_of_its_item() {
    let folder = folder();
    let vault = Vault::open(folder.path()).unwrap();
    let shown = shown();
    let taken = Taken { told: Some(shown.clone()), ..entry() };
    let now = at("2026-11-21T10:00:00Z");
    let kept = vault.keep(Original { entries: vec![taken], ..original("/one", ORIGINAL) }, now).unwrap();
    let listed = || vault.items().unwrap().0.remove(0);
    let told = |item: Item| item.entries.into_iter().next().unwrap().told;

    assert_eq!(told(listed()), None, "months of them would fill the memory");
    assert_eq!(told(vault.recalled(&listed())), Some(shown.clone()));
    // by one who has it at hand, from the list, and by the vault itself
    proved(&vault, kept.clone());
    vault.update(&Item { considered: Some("policy".to_owned()), ..listed() }).unwrap();
    assert_eq!(vault.shrink(at("2026-11-23T10:00:00Z")).unwrap(), 1);
    assert_eq!(told(listed()), None);
    assert_eq!(told(vault.item(&kept.id).unwrap()), Some(shown));
    let whole = Vault::look(folder.path()).unwrap().items_told().unwrap();
    assert_eq!(whole, [vault.item(&kept.id).unwrap()]);

    // attack: an item that was changed by hand gives its words to no other entry
    let mut other = listed();
    other.entries[0].fingerprint = "sha256:1".to_owned();
    assert_eq!(told(vault.recalled(&other)), None);
}

#[test]
fn a_damaged_object_is_told_and_never_given_out() {
    let folder = folder();
    let vault = Vault::open(folder.path()).unwrap();
    let item = keep(&vault, "/a", ORIGINAL, at("2026-11-21T10:00:00Z"));
    std::fs::write(folder.path().join("objects").join(&item.original), "something else").unwrap();
    assert!(matches!(vault.original(&item), Err(VaultError::Damaged { .. })));
    let again = keep(&vault, "/a", ORIGINAL, at("2026-11-21T11:00:00Z"));
    assert_eq!(vault.original(&again).unwrap().unwrap(), ORIGINAL, "it is put there anew");
}

#[test]
fn cve_2025_26684_an_id_is_never_a_path() {
    let folder = folder();
    let vault = Vault::open(&folder.path().join("vault")).unwrap();
    std::fs::write(folder.path().join("x.json"), "{}").unwrap();
    for id in ["../../x", "", "..", "/etc/passwd", "a/b", "q-\0"] {
        assert!(matches!(vault.item(id), Err(VaultError::NoItem(_))), "{id:?}");
    }
}

#[test]
fn cve_2023_42456_no_path_is_made_of_a_users_name() {
    let folder = folder();
    let vault = Vault::open(&folder.path().join("vault")).unwrap();
    for user in ["../../ann", "/etc", "a/b", ".", "a\0b"] {
        let original = Original {
            user,
            uid: None,
            home: "/home/../etc",
            path: Path::new("../../../x"),
            found_as: Path::new("../x"),
            client: "../client",
            names: 1,
            rights: None,
            bytes: user.as_bytes(),
            edited: EDITED,
            entries: vec![entry()],
            beside: None,
            approvals_due: false,
        };
        let item = vault.keep(original, at("2026-11-21T10:00:00Z")).unwrap();
        assert_eq!(vault.item(&item.id).unwrap().user, user);
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    for part in ["objects", "items"] {
        assert_eq!(std::fs::read_dir(folder.path().join("vault").join(part)).unwrap().count(), 5, "{part}");
    }
}

#[test]
fn cve_2026_30893_a_damaged_item_does_not_lead_out_of_the_vault() {
    let folder = folder();
    let vault = Vault::open(&folder.path().join("vault")).unwrap();
    let mut item = keep(&vault, "/a", ORIGINAL, at("2026-11-21T10:00:00Z"));
    std::fs::write(folder.path().join("secret"), "secret").unwrap();
    for digest in ["../../secret", "/etc/passwd", "", &digest_of(b"secret")[1..]] {
        digest.clone_into(&mut item.original);
        let refused = vault.original(&item);
        assert!(matches!(refused, Err(VaultError::Damaged { .. })), "{digest}: {refused:?}");
    }
}

#[test]
fn the_pieces_that_an_item_names_are_never_outside_its_original() {
    let folder = folder();
    let vault = Vault::open(folder.path()).unwrap();
    let mut item = keep(&vault, "/a", ORIGINAL, at("2026-11-21T10:00:00Z"));
    for range in
        [Range { start: 0, end: 1 << 40 }, Range { start: 9, end: 3 }, Range { start: 0, end: u64::MAX }]
    {
        item.entries[0].pieces = vec![range.clone(), range];
        assert!(matches!(vault.pieces(&item), Err(VaultError::Damaged { .. })));
    }
}

#[test]
fn one_damaged_item_keeps_no_other_from_being_shrunk_nor_makes_them_all_go() {
    let folder = folder();
    let vault = Vault::open(folder.path()).unwrap();
    let broken = proved(&vault, keep(&vault, "/broken", &[b'b'; 1000], at("2026-11-21T09:00:00Z")));
    let whole = proved(&vault, keep(&vault, "/whole", &[b'w'; 1000], at("2026-11-21T10:00:00Z")));
    let young = proved(&vault, keep(&vault, "/young", &[b'y'; 1000], at("2026-11-22T12:00:00Z")));
    std::fs::write(vault.object_path(&broken.original), "something else").unwrap();
    assert_eq!(vault.shrink(at("2026-11-22T13:00:00Z")).unwrap(), 1);
    assert!(vault.item(&whole.id).unwrap().shrunk.is_some());
    // a description that cannot be read holds its objects as long as they are not too much
    std::fs::write(vault.item_path(&broken.id), "{").unwrap();
    let vault = Vault::open(folder.path()).unwrap();
    let enough = limits(bytes_of(&vault));
    let gone = vault.prune(enough).unwrap();
    assert_eq!((gone.items.len(), gone.damaged.len()), (0, 0));
    assert_eq!(vault.items().unwrap().1, [vault.item_path(&broken.id)]);
    let gone = vault.prune(Limits { most_bytes: enough.most_bytes - 1, ..enough }).unwrap();
    assert_eq!((gone.items.len(), gone.damaged), (0, vec![vault.item_path(&broken.id)]));
    assert!(!vault.object_path(&broken.original).exists(), "and what only it named goes with it");
    assert!(vault.original(&young).unwrap().is_some());
}

/// Bytes of everything that a vault keeps.
fn bytes_of(vault: &Vault) -> u64 {
    ["objects", "items"].iter().flat_map(|part| vault.files(part).unwrap()).map(|(_, bytes)| bytes).sum()
}

#[test]
fn a_user_who_fills_the_vault_gives_up_the_own_originals_and_no_others() {
    let folder = folder();
    let vault = Vault::open(folder.path()).unwrap();
    let bob = proved(&vault, keep(&vault, "/bob", &[b'b'; 1000], at("2026-01-01T00:00:00Z")));
    vault.update(&Item { user: "bob".to_owned(), ..bob.clone() }).unwrap();
    let anns: Vec<Item> = (1..9_u8)
        .map(|n| {
            let path = format!("/ann/{n}");
            whole(&vault, keep(&vault, &path, &[n; 4000], at(&format!("2026-10-0{n}T00:00:00Z"))))
        })
        .collect();
    let gone = vault.prune(limits(20_000)).unwrap().items;
    let oldest: Vec<&str> = anns[..gone.len()].iter().map(|item| item.id.as_str()).collect();
    assert_eq!(gone.iter().map(|item| item.id.as_str()).collect::<Vec<_>>(), oldest);
    assert!(gone.len() > 3 && bytes_of(&vault) <= 20_000);
    assert!(vault.original(&bob).unwrap().is_some());
}

#[test]
fn what_could_not_be_read_again_is_not_kept_at_all() {
    let folder = folder();
    let vault = Vault::open(folder.path()).unwrap();
    let item = keep(&vault, "/a", ORIGINAL, at("2026-11-21T10:00:00Z"));
    let mut long = item.clone();
    long.entries[0].name = "n".repeat(33 << 20);
    assert!(matches!(vault.update(&long), Err(VaultError::TooLarge { .. })));
    assert_eq!(vault.item(&item.id).unwrap(), item);
}

#[test]
fn a_vault_to_which_others_have_rights_is_not_used() {
    let folder = folder();
    let path = folder.path().join("vault");
    Vault::open(&path).unwrap();
    for part in ["", "objects", "items"] {
        for mode in [0o777, 0o770, 0o720, 0o750, 0o704] {
            if !set_mode(&path.join(part), mode) {
                return;
            }
            let refused = Vault::open(&path).err().expect("refused").to_string();
            assert!(refused.contains("chmod 700"), "{part} {mode:o}: {refused}");
        }
        set_mode(&path.join(part), 0o700);
    }
    set_mode(folder.path(), 0o777);
    assert!(Vault::open(&path).is_err(), "others may put another vault there");
    set_mode(folder.path(), 0o700);
    std::fs::rename(&path, folder.path().join("elsewhere")).unwrap();
    link_folder(&folder.path().join("elsewhere"), &path);
    assert!(Vault::open(&path).is_err(), "it is a link");
}

#[test]
fn whoever_only_looks_makes_nothing_and_clears_nothing_away() {
    let folder = folder();
    let path = folder.path().join("vault");
    assert_eq!(Vault::look(&path).unwrap().items().unwrap(), (Vec::new(), Vec::new()));
    assert!(std::fs::symlink_metadata(&path).is_err());
    let vault = Vault::open(&path).unwrap();
    let item = keep(&vault, "/a", ORIGINAL, at("2026-11-21T10:00:00Z"));
    // as it is while another process keeps an original
    let unfinished = path.join("objects").join(digest_of(b"other"));
    std::fs::write(&unfinished, "other").unwrap();
    assert_eq!(Vault::look(&path).unwrap().items().unwrap().0, [item]);
    assert!(unfinished.exists());
    Vault::open(&path).unwrap();
    assert!(!unfinished.exists());
}

#[test]
fn programs_that_make_backups_are_asked_to_leave_it_out() {
    let folder = folder();
    let path = folder.path().join("vault");
    Vault::open(&path).unwrap();
    let tag = path.join("CACHEDIR.TAG");
    let text =
        |path: &Path| String::from_utf8(Machine::live().read(path, None, 1 << 20).unwrap().bytes).unwrap();
    assert!(text(&tag).starts_with("Signature: 8a477f597d28d172789f06886806bc55\n"));
    // half of it, as a loss of power leaves it
    std::fs::write(&tag, "Signature").unwrap();
    Vault::open(&path).unwrap();
    assert_eq!(text(&tag), BACKUP_TAG);
}

#[test]
fn nobody_else_can_look_into_the_vault() {
    let folder = folder();
    let vault = Vault::open(&folder.path().join("vault")).unwrap();
    let item = keep(&vault, "/a", ORIGINAL, at("2026-11-21T10:00:00Z"));
    for path in [vault.folder.clone(), vault.object_path(&item.original), vault.item_path(&item.id)] {
        assert!(durable::is_private(&path), "{}", path.display());
    }
    assert!(folder.path().join("vault/CACHEDIR.TAG").exists());
}

#[test]
fn an_error_of_the_disk_is_told_once_and_with_what_helps_against_it() {
    let refused = |kind| {
        let error = disk::failed("read", Path::new("/v/items"))(std::io::Error::from(kind));
        format!("{:#}", anyhow::Error::from(error))
    };
    let said = refused(std::io::ErrorKind::PermissionDenied);
    assert_eq!(said.matches("permission denied").count(), 1, "{said}");
    assert!(said.contains("run it as the user") && !said.contains("room"), "{said}");
    assert!(refused(std::io::ErrorKind::StorageFull).contains("make room"));
}

#[test]
fn originals_shrink_before_any_is_let_go_of_and_what_a_pass_has_just_taken_stays() {
    let folder = folder();
    let vault = Vault::open(folder.path()).unwrap();
    let now = at("2026-11-21T10:00:00Z");
    let edited: Vec<Item> =
        (0..4_u8).map(|n| proved(&vault, keep(&vault, &format!("/{n}"), &[n; 9000], now))).collect();
    assert_eq!(vault.prune(limits(20_000)).unwrap().items, []);
    assert!(bytes_of(&vault) <= 20_000);
    for (n, item) in (0..4_u8).zip(&edited) {
        let item = vault.item(&item.id).unwrap();
        assert_eq!(vault.pieces(&item).unwrap(), [vec![(15..66, vec![n; 51])]], "it can be put back");
    }
    let as_a_whole = whole(&vault, keep(&vault, "/whole", &[7; 30_000], now));
    let this_pass = Limits { taken_now: now, ..limits(20_000) };
    assert_eq!(vault.prune(this_pass).unwrap().items, [], "it was told that they are kept");
    assert_eq!(vault.original(&as_a_whole).unwrap().unwrap(), [7; 30_000]);
    assert!(!vault.prune(limits(20_000)).unwrap().items.is_empty(), "the next pass lets go");
}

#[test]
fn an_original_that_shrank_comes_back_byte_for_byte_into_the_file_as_it_was_left() {
    let folder = folder();
    let vault = Vault::open(folder.path()).unwrap();
    let left = [&ORIGINAL[..15], &ORIGINAL[66..]].concat();
    let item = proved(&vault, keep(&vault, "/a", ORIGINAL, at("2026-11-21T10:00:00Z")));
    vault.shrink(at("2026-11-22T10:00:00Z")).unwrap();
    let item = vault.item(&item.id).unwrap();
    assert!(item.shrunk.is_some());
    assert_eq!(vault.rebuilt(&item, &left).unwrap().unwrap(), ORIGINAL);
    for other in [&ORIGINAL[..15], b"", &ORIGINAL[1..]] {
        assert_eq!(vault.rebuilt(&item, other).unwrap(), None);
    }
}
