//! Homes from hostile account lists and from folders of three systems.

use std::fs;
use std::os::unix::fs::{chown, symlink};

use tempfile::TempDir;

use super::*;

fn folder(directories: &[&str]) -> TempDir {
    let dir = tempfile::tempdir().expect("temporary directory");
    for path in directories {
        fs::create_dir_all(dir.path().join(path.trim_start_matches('/'))).expect("directories");
    }
    dir
}

fn write(dir: &TempDir, path: &str, text: &[u8]) {
    // a path from the top would lead out of the folder, into the machine's own
    let at = dir.path().join(path.trim_start_matches('/'));
    assert!(at.starts_with(dir.path()), "{path}");
    fs::create_dir_all(at.parent().expect("a parent")).expect("directories");
    fs::write(at, text).expect("file");
}

fn seen(dir: &TempDir) -> Vec<(String, Option<u32>, String)> {
    let homes = all_homes(&Machine::at_root(dir.path())).into_iter();
    homes.map(|home| (home.user, home.uid, home.path.display().to_string())).collect()
}

#[test]
fn hostile_account_lines_are_passed_over() {
    let text = b"root:x:0:0:root:/root:/bin/bash\n\
        short:x:1000\n\
        \n\
        ::::::\n\
        +nis::::::\n\
        +nis:x:1000:1000::/home/nis:/bin/sh\n\
        big:x:99999999999999:1::/home/big:/bin/sh\n\
        minus:x:-1:1::/home/minus:/bin/sh\n\
        plus:x:+5:1::/home/plus:/bin/sh\n\
        relative:x:1001:1::home/relative:/bin/sh\n\
        esc\x1b[2J:x:1002:1::/home/esc:/bin/sh\n\
        more:x:1003:1::/home/more:/bin/sh:extra\n\
        latin\xe9:x:1004:1::/home/latin:/bin/sh\n\
        ana:x:1005:1:Ana,,,:/home/ana/:/bin/zsh\n";
    let names: Vec<(String, u32)> =
        passwd::parse(text).into_iter().map(|account| (account.name, account.uid)).collect();
    assert_eq!(names, [("root".to_owned(), 0), ("ana".to_owned(), 1005)]);
}

#[test]
fn the_first_number_of_people_is_the_machines_own() {
    assert_eq!(passwd::first_uid(b""), 1000);
    assert_eq!(passwd::first_uid(b"# UID_MIN 5\n  UID_MIN\t\t 500\nSYS_UID_MIN 100\n"), 500);
    assert_eq!(passwd::first_uid(b"UID_MIN zero\n"), 1000);
    assert_eq!(passwd::first_uid(b"UID_MIN 0\n"), 1000, "daemons are no people");
}

#[test]
fn people_and_root_have_homes_and_daemons_have_none() {
    let dir = folder(&["/root", "/home/ana", "/var/lib/daemon", "/nonexistent", "/srv/bo"]);
    let passwd = b"root:x:0:0::/root:/bin/sh\ndaemon:x:100:1::/var/lib/daemon:/bin/sh\n\
        nobody:x:65534:65534::/nonexistent:/bin/sh\nana:x:1000:1000::/home/ana:/bin/sh\n\
        gone:x:1001:1001::/home/gone:/bin/sh\nbo:x:1002:1002::/srv/bo:/bin/sh\nall:x:1003:1003::/:/bin/sh\n\
        twin:x:1004:1004::/home/ana/:/bin/sh\nfile:x:1005:1005::/etc/passwd:/bin/sh\n";
    write(&dir, "etc/passwd", passwd);
    let expected = [("ana", 1000, "/home/ana"), ("root", 0, "/root"), ("bo", 1002, "/srv/bo")];
    let expected = expected.map(|(user, uid, path)| (user.to_owned(), Some(uid), path.to_owned()));
    assert_eq!(seen(&dir), expected);
}

/// Jenkins, its kin, and what an administrator put below `/opt` run clients as people do.
#[test]
fn accounts_of_the_system_with_a_shell_and_a_home_of_their_own_have_homes() {
    let homes =
        ["/var/lib/jenkins", "/opt/a", "/var/lib/web", "/srv/roots", "/usr/games", "/bin", "/srv/halt"];
    let dir = folder(&homes);
    symlink("../usr/games", dir.path().join("opt/link")).expect("link");
    let passwd = b"jenkins:x:113:118::/var/lib/jenkins:/bin/bash\na:x:500:500::/opt/a:\n\
        web:x:33:33::/var/lib/web:/usr/sbin/nologin\nroots:x:114:114::/srv/roots:/bin/sh\n\
        games:x:5:60::/usr/games:/bin/sh\nsync:x:4:65534::/bin:/bin/sh\nhalt:x:7:7::/srv/halt:/sbin/halt\n\
        linked:x:6:6::/opt/link:/bin/sh\ngone:x:8:8::/opt/gone:/bin/sh\nall:x:9:9::/:/bin/sh\n";
    write(&dir, "etc/passwd", passwd);
    let own =
        [("var/lib/jenkins", 113), ("opt/a", 500), ("usr/games", 5), ("srv/halt", 7), ("var/lib/web", 33)];
    if own.iter().any(|(path, uid)| chown(dir.path().join(path), Some(*uid), None).is_err()) {
        // only root may give files away; a home that is nobody's own is none
        return assert_eq!(seen(&dir), []);
    }
    let expected = [("a", 500, "/opt/a"), ("jenkins", 113, "/var/lib/jenkins")];
    let expected = expected.map(|(user, uid, path)| (user.to_owned(), Some(uid), path.to_owned()));
    assert_eq!(seen(&dir), expected);
    let uncovered = uncovered_homes(&Machine::at_root(dir.path())).into_iter().map(|home| home.user);
    assert_eq!(uncovered.collect::<Vec<_>>(), ["roots"], "whose folder is root's");
}

#[test]
fn a_home_without_an_account_is_found_and_never_counts_as_roots() {
    let dir = folder(&["/home/domain-user", "/home/lost+found", "/home/.hidden"]);
    write(&dir, "etc/passwd", b"root:x:0:0::/root:/bin/sh\n");
    symlink("/etc", dir.path().join("home/linked")).expect("link");
    let homes = seen(&dir);
    assert_eq!(homes.len(), 1, "{homes:?}");
    assert_eq!(homes[0].0, "domain-user");
    assert_ne!(homes[0].1, Some(0));
}

#[test]
fn homes_of_a_domain_lie_one_directory_deeper() {
    let dir = folder(&["/home/CORP/ana", "/home/CORP/bo"]);
    let own = [chown(dir.path().join("home/CORP/ana"), Some(70_001), None)];
    if own.iter().any(Result::is_err) {
        // only root may give files away; then CORP itself is taken for a home
        return assert_eq!(seen(&dir).len(), 1);
    }
    assert_eq!(seen(&dir), [("ana".to_owned(), Some(70_001), "/home/CORP/ana".to_owned())]);
}

#[test]
fn folders_of_macos_and_windows_are_told_by_their_directories() {
    let dir = folder(&["/Users/ana", "/Users/Shared", "/Users/.localized", "/var/root"]);
    let homes = all_homes(&Machine::at_root(dir.path()));
    let layouts: Vec<_> = homes.iter().map(|home| (home.user.as_str(), home.layout)).collect();
    assert_eq!(layouts, [("ana", HomeLayout::Macos), ("root", HomeLayout::Macos)]);

    let dir = folder(&["/Users/ana", "/Users/Public", "/Users/Default", "/Windows"]);
    let homes = all_homes(&Machine::at_root(dir.path()));
    let layouts: Vec<_> = homes.iter().map(|home| (home.user.as_str(), home.layout, home.uid)).collect();
    assert_eq!(layouts, [("ana", HomeLayout::Windows, None)]);
}

#[test]
fn a_machine_without_accounts_has_no_homes() {
    assert_eq!(seen(&folder(&[])), []);
}

#[test]
fn the_own_home_is_the_variables_if_it_says_a_full_path() {
    let dir = folder(&["/ana"]);
    let path = dir.path().join("ana");
    let env = |value: &str| -> Environment {
        [("HOME".to_owned(), value.to_owned()), ("USER".to_owned(), "ana".to_owned())].into_iter().collect()
    };
    let home = own_home(&env(path.to_str().expect("text"))).expect("a home");
    assert_eq!(
        (home.user.as_str(), home.path.as_path(), home.layout),
        ("ana", path.as_path(), HomeLayout::HOST)
    );
    assert_eq!(home.uid, os::own_uid());
    assert_eq!(own_home(&env("")), None);
    assert_eq!(own_home(&env("relative")), None);
    assert_eq!(own_home(&Environment::empty()), None);
}

#[test]
fn under_sudo_the_files_of_the_home_should_be_its_users_own() {
    let dir = folder(&["/ana"]);
    let path = dir.path().join("ana");
    if chown(&path, Some(70_002), None).is_err() {
        // only root may give files away, and only root has this case
        return assert!(!is_privileged());
    }
    let pairs = [("HOME".to_owned(), path.display().to_string()), ("USER".to_owned(), "root".to_owned())];
    let home = own_home(&pairs.into_iter().collect()).expect("a home");
    assert_eq!((home.user.as_str(), home.uid), ("ana", Some(70_002)));
}

#[test]
fn an_image_gives_its_user_no_group_that_means_something_on_the_host() {
    let dir = folder(&[]);
    let host = || Machine::at_root(dir.path());
    let by = |uid| groups_by_image(&host(), uid, 7001, &[0, 6, 100, 7001, 7100, 8000]);
    assert_eq!(by(7001), [7001], "nothing is known of the host's groups");
    write(&dir, "etc/group", b"root:x:0:ann\ndisk:x:6:\n+odd:x:8000:\nteam:x:100:ann\nlatin\xe9:x:8001:\n");
    write(&dir, "etc/passwd", b"ann:x:7001:7001::/home/ann:/bin/sh\nbob:x:7002:9000::/home/bob:/bin/sh\n");
    assert_eq!(by(7001), [7001, 100, 7100], "the host's own word, and a number that it does not use");
    assert_eq!(by(7003), [7001, 7100], "the host does not know him");
    assert_eq!(groups_by_image(&host(), 7001, 6, &[6, 9000, 8001]), [6], "primary groups of others");
    let many: Vec<u32> = (10_000..90_000).collect();
    assert_eq!(groups_by_image(&host(), 7001, 7001, &many).len(), 1025, "the system would refuse them all");
}
