//! The store under crashes, and under everything that an attacker, a clock and a publisher can do to it.

mod crashing;
mod random;
mod world;

use mcpolicy_schema::trust::{Trust, Violation};
use mcpolicy_tests::signing::{ROOT, at, publication, publication_with_revocations, root, signed};

use super::store::{Origin, Stored};
use super::{Disk, FolderDisk, Store, published};
use crashing::{Crash, MemoryDisk, Stopping};

fn pinned() -> Vec<u8> {
    signed(&root(1, at(0)), &ROOT[..2])
}

/// A machine on which publication 5 is in force, and what it stored.
fn with_five<D: Disk>(disk: D) -> (Trust, D) {
    let mut trust = Trust::pinned(&pinned(), at(0)).unwrap();
    let update = trust.update(&publication_with_revocations(5, 5, at(30)), at(31));
    assert_eq!(update.refusals, []);
    let mut store = Store::new(disk);
    store.save(&trust).unwrap();
    (trust, store.into_disk())
}

#[test]
fn what_was_in_force_is_in_force_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let disk = || FolderDisk::new(&folder.path().join("policy")).unwrap();
    let (trust, _) = with_five(disk());
    let loaded = Store::new(disk()).load(&pinned(), at(0)).unwrap();
    assert_eq!((loaded.origin, &loaded.refusals[..]), (Origin::Newest, &[][..]));
    assert_eq!(loaded.trust.policy().unwrap().sequence, 5);
    assert_eq!(loaded.trust.revocations().unwrap().sequence, 5);
    assert_eq!(loaded.trust.state(), trust.state());
    assert_eq!(loaded.trust.kept(), trust.kept());
}

#[test]
fn what_was_removed_from_the_store_is_written_again_and_a_whole_store_is_left_alone() {
    let (trust, whole) = with_five(MemoryDisk::default());
    let (names, stored) = (whole.names().unwrap(), Stored::of(&trust));
    for name in &names {
        let mut store = Store::new(whole.clone());
        assert!(!store.mend(&stored).unwrap());
        let mut disk = store.into_disk();
        disk.remove(name).unwrap();
        let mut store = Store::new(disk);
        assert!(store.mend(&stored).unwrap(), "{name}");
        let loaded = store.load(&pinned(), at(0)).unwrap();
        assert_eq!(
            (loaded.origin, loaded.trust.state(), loaded.trust.kept()),
            (Origin::Newest, trust.state(), trust.kept())
        );
        assert_eq!(store.into_disk().names().unwrap(), names, "{name}");
    }
}

#[test]
fn a_policy_stays_in_force_years_after_all_documents_have_ended() {
    let (_, disk) = with_five(MemoryDisk::default());
    let loaded = Store::new(disk).load(&pinned(), at(0)).unwrap();
    let later = at(24 * 365 * 5);
    assert_eq!(loaded.trust.policy().unwrap().sequence, 5);
    assert_eq!(loaded.trust.staleness(later).unwrap().as_str(), "expired");
}

#[test]
fn a_crash_after_any_step_leaves_the_old_policy_or_the_new_one() {
    let (mut trust, five) = with_five(MemoryDisk::default());
    assert_eq!(trust.update(&publication_with_revocations(6, 6, at(36)), at(37)).refusals, []);
    let steps = {
        let mut store = Store::new(Stopping::never(five.clone()));
        store.save(&trust).unwrap();
        store.into_disk().steps()
    };
    assert!(steps > 15, "{steps} steps are too few to have been counted rightly");
    let (mut old, mut new) = (0, 0);
    for stop in 0..=steps {
        for crash in [Crash::NamesLost, Crash::NamesKept] {
            let mut store = Store::new(Stopping::after(stop, five.clone()));
            let saved = store.save(&trust).is_ok();
            assert!(saved || stop < steps, "{stop}");
            let disk = store.into_disk().into_inner().crash(crash);
            let loaded = Store::new(disk).load(&pinned(), at(0)).unwrap();
            assert_eq!((loaded.origin, &loaded.refusals[..]), (Origin::Newest, &[][..]), "{stop} {crash:?}");
            let policy = loaded.trust.policy().unwrap().sequence;
            let revocations = loaded.trust.revocations().unwrap().sequence;
            assert_eq!(policy, revocations, "{stop} {crash:?}");
            match policy {
                5 => old += 1,
                6 => new += 1,
                _ => panic!("{policy}"),
            }
            assert!(!saved || policy == 6, "what was saved is lost after {stop} {crash:?}");
        }
    }
    assert!(old > 5 && new > 1, "{old} old, {new} new");
}

#[test]
fn a_crash_after_any_step_on_a_real_folder_leaves_a_policy_in_force() {
    for stop in 0..40 {
        let folder = tempfile::tempdir().unwrap();
        let disk = || FolderDisk::new(folder.path()).unwrap();
        let (mut trust, _) = with_five(disk());
        trust.update(&publication_with_revocations(6, 6, at(36)), at(37));
        let saved = Store::new(Stopping::after(stop, disk())).save(&trust).is_ok();
        let loaded = Store::new(disk()).load(&pinned(), at(0)).unwrap();
        let sequence = loaded.trust.policy().unwrap().sequence;
        assert!(sequence == 6 || (sequence == 5 && !saved), "{stop}: {sequence}");
    }
}

#[test]
fn a_damaged_document_is_replaced_by_the_one_before_it_and_floors_stay() {
    for damage in 0..12 {
        let (mut trust, disk) = with_five(MemoryDisk::default());
        trust.update(&publication_with_revocations(6, 6, at(36)), at(37));
        let mut store = Store::new(disk);
        store.save(&trust).unwrap();
        let mut disk = store.into_disk();
        // bodies and statements of 5 and 6 differ, so that each has one to stand in for it
        let Some(name) = disk.names().unwrap().into_iter().filter(|n| n.ends_with(".doc")).nth(damage) else {
            continue;
        };
        disk.write(&name, b"rot").unwrap();
        let loaded = Store::new(disk).load(&pinned(), at(0)).unwrap();
        let mut trust = loaded.trust;
        assert!(trust.policy().is_some() && trust.revocations().is_some(), "{name}");
        assert_eq!(trust.floors().policy.sequence, 6, "{name}");
        let replayed = trust.update(&publication_with_revocations(5, 5, at(30)), at(38));
        let rollback = |v: &Violation| matches!(v, Violation::Rollback { .. });
        assert!(replayed.refusals.iter().any(|r| rollback(&r.violation)), "{name}");
        // fetched again, all is well
        assert_eq!(trust.update(&publication_with_revocations(6, 6, at(36)), at(38)).refusals, [], "{name}");
        assert_eq!(trust.policy().unwrap().sequence, 6);
    }
}

#[test]
fn a_store_that_is_wholly_damaged_is_told_from_an_empty_one() {
    let (_, mut disk) = with_five(MemoryDisk::default());
    disk.write("state.json", b"{").unwrap();
    let loaded = Store::new(disk).load(&pinned(), at(0)).unwrap();
    assert_eq!(loaded.origin, Origin::Lost);
    let loaded = Store::new(MemoryDisk::default()).load(&pinned(), at(0)).unwrap();
    assert_eq!(loaded.origin, Origin::Nothing);
}

#[test]
fn the_policy_before_is_kept_over_many_heads_and_nothing_else_piles_up() {
    let (mut trust, disk) = with_five(MemoryDisk::default());
    let mut store = Store::new(disk);
    trust.update(&publication(6, at(36)), at(37));
    trust.update(&publication_with_revocations(6, 6, at(36)), at(37));
    store.save(&trust).unwrap();
    for n in 0..20 {
        let mut documents = publication_with_revocations(6, 6, at(36));
        let mut head: mcpolicy_schema::signed::Head =
            mcpolicy_tests::signing::payload_of(documents.head.as_deref().unwrap());
        head.sequence = 7 + n;
        documents.head = Some(signed(&head, &mcpolicy_tests::signing::ONLINE[..1]));
        assert_eq!(trust.update(&documents, at(38)).refusals, []);
        store.save(&trust).unwrap();
    }
    let disk = store.into_disk();
    let previous = String::from_utf8(disk.read("previous.json", 1 << 20).unwrap().unwrap()).unwrap();
    assert!(previous.contains("\"sequence\": 5"), "{previous}");
    // root, two heads, two policies and two lists with their bodies, two states
    assert!(disk.names().unwrap().len() <= 13, "{:?}", disk.names());
}

#[test]
fn a_published_folder_is_read_by_what_its_head_names() {
    let folder = tempfile::tempdir().unwrap();
    let documents = publication_with_revocations(6, 4, at(36));
    let put = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
    put("root.1.json", &documents.roots[&1]);
    put("head.json", documents.head.as_deref().unwrap());
    put("policy.6.json", documents.statement.as_deref().unwrap());
    put("policy.6.body", documents.body.as_deref().unwrap());
    put("revocations.4.json", documents.revocations_statement.as_deref().unwrap());
    put("revocations.4.body", documents.revocations_body.as_deref().unwrap());
    for rubbish in
        ["policy.7.json", "policy.07.json", "root.x.json", "root.0.json", "README.md", "policy.9.body"]
    {
        put(rubbish, b"rubbish");
    }
    assert_eq!(published::read(folder.path()).unwrap(), documents);
    let sequences = published::sequences(folder.path()).unwrap();
    assert_eq!(sequences.roots.into_iter().collect::<Vec<_>>(), [1]);
    assert_eq!(sequences.policies.into_iter().collect::<Vec<_>>(), [6, 7]);
    assert_eq!(sequences.revocations.into_iter().collect::<Vec<_>>(), [4]);
}

#[test]
fn a_file_beyond_its_limit_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("head.json"), vec![b' '; 64 * 1024 + 1]).unwrap();
    let error = format!("{:#}", published::read(folder.path()).unwrap_err());
    assert!(error.contains("head.json") && error.contains("65536"), "{error}");
    assert!(published::read(&folder.path().join("absent")).is_err());
}
