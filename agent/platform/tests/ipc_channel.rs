//! The local channel by real sockets: who is at the other end, what it may do, and that nothing waits for ever.
#![cfg(unix)]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "this crate is a test")]
#![allow(clippy::print_stderr, reason = "a test that was not run must say so")]

use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{fs, thread};

use mcpolicy_platform::ipc_channel::{Audience, ChannelError, Connection, Listener, Peer, connect};
use tempfile::TempDir;

const SECOND: Duration = Duration::from_secs(1);

/// A folder that others may pass through, and a path for a socket in a folder that is not there yet.
fn place() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    set_mode(folder.path(), 0o755);
    let path = folder.path().join("mcpolicy/agent.sock");
    (folder, path)
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn own() -> String {
    rustix::process::geteuid().as_raw().to_string()
}

/// Accepts one connection on a thread of its own.
fn accept(listener: Listener) -> thread::JoinHandle<(Listener, Option<Connection>)> {
    thread::spawn(move || {
        let accepted = listener.accept().unwrap();
        (listener, accepted)
    })
}

#[test]
fn both_ends_are_told_who_the_other_is_and_hear_each_other() {
    let (_folder, path) = place();
    let listener = Listener::bind(&path, Audience::OwnUser).unwrap();
    let accepting = accept(listener);
    let mut client = connect(&path, SECOND).unwrap();
    client.write_all(b"hello").unwrap();
    let (_listener, server) = accepting.join().unwrap();
    let mut server = server.unwrap();
    let expected = Peer {
        user: own(),
        pid: Some(std::process::id()),
        is_administrator: rustix::process::geteuid().is_root(),
    };
    assert_eq!(server.peer(), &expected);
    assert_eq!(client.peer(), &expected);
    let mut heard = [0; 5];
    server.read_exact(&mut heard).unwrap();
    assert_eq!(&heard, b"hello");
    server.write_all(b"yes").unwrap();
    drop(server);
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "yes");
    let gone = client.write_all(&[0; 1 << 20]).unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::BrokenPipe);
}

#[test]
fn the_socket_and_its_folder_have_the_rights_of_their_audience_and_go_with_the_listener() {
    for (audience, folder_mode, socket_mode) in
        [(Audience::Everybody, 0o755, 0o666), (Audience::OwnUser, 0o700, 0o600)]
    {
        let (_folder, path) = place();
        let listener = Listener::bind(&path, audience).unwrap();
        let mode = |path: &Path| fs::symlink_metadata(path).unwrap().mode() & 0o7777;
        assert_eq!((mode(path.parent().unwrap()), mode(&path)), (folder_mode, socket_mode));
        drop(listener);
        assert!(!path.exists());
        assert!(matches!(connect(&path, SECOND), Err(ChannelError::NotRunning(_))));
    }
}

#[test]
fn a_socket_of_a_dead_process_is_replaced_and_that_of_a_living_one_is_not() {
    let (_folder, path) = place();
    fs::create_dir(path.parent().unwrap()).unwrap();
    // std leaves the socket behind, as a process that was killed does
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let listener = Listener::bind(&path, Audience::OwnUser).unwrap();
    let inode = fs::metadata(&path).unwrap().ino();
    assert!(matches!(Listener::bind(&path, Audience::OwnUser), Err(ChannelError::InUse(_))));
    assert_eq!(fs::metadata(&path).unwrap().ino(), inode);
    drop(listener);
    // of another program, which holds no lock of ours
    let foreign = UnixListener::bind(&path).unwrap();
    assert!(matches!(Listener::bind(&path, Audience::OwnUser), Err(ChannelError::InUse(_))));
    drop(foreign);
    Listener::bind(&path, Audience::OwnUser).unwrap();
}

#[test]
fn what_is_no_socket_is_left_alone_and_no_link_is_followed() {
    let (folder, path) = place();
    let elsewhere = folder.path().join("elsewhere.sock");
    fs::create_dir(path.parent().unwrap()).unwrap();
    let refused = || {
        let error = Listener::bind(&path, Audience::OwnUser).unwrap_err();
        assert!(matches!(error, ChannelError::Refused { .. }), "{error}");
    };
    fs::write(&path, "precious").unwrap();
    refused();
    assert_eq!(fs::metadata(&path).unwrap().len(), 8);
    fs::remove_file(&path).unwrap();
    drop(UnixListener::bind(&elsewhere).unwrap());
    symlink(&elsewhere, &path).unwrap();
    refused();
    assert!(elsewhere.exists() && path.is_symlink());
    // the folder is a link
    let linked = folder.path().join("linked");
    symlink(path.parent().unwrap(), &linked).unwrap();
    let error = Listener::bind(&linked.join("other.sock"), Audience::OwnUser).unwrap_err();
    assert!(matches!(error, ChannelError::Refused { .. }), "{error}");
    assert!(matches!(
        Listener::bind(Path::new("agent.sock"), Audience::OwnUser),
        Err(ChannelError::Refused { .. })
    ));
    let long = folder.path().join("x".repeat(120)).join("agent.sock");
    assert!(matches!(Listener::bind(&long, Audience::OwnUser), Err(ChannelError::Refused { .. })));
}

#[test]
fn a_folder_that_others_can_write_or_replace_is_refused() {
    let (folder, path) = place();
    let inner = path.parent().unwrap();
    fs::create_dir(inner).unwrap();
    for (mode, above, is_fine) in [
        (0o755, 0o755, true),
        (0o777, 0o755, false),
        (0o775, 0o755, false),
        (0o1777, 0o755, false),
        (0o755, 0o777, false),
        (0o755, 0o1777, true),
    ] {
        set_mode(inner, mode);
        set_mode(folder.path(), above);
        assert_eq!(Listener::bind(&path, Audience::Everybody).is_ok(), is_fine, "{mode:o} in {above:o}");
    }
}

#[test]
fn a_peer_that_sends_a_byte_at_a_time_is_cut_off_at_the_deadline() {
    let (_folder, path) = place();
    let accepting = accept(Listener::bind(&path, Audience::OwnUser).unwrap());
    let mut client = connect(&path, 10 * SECOND).unwrap();
    let (_listener, server) = accepting.join().unwrap();
    let mut server = server.unwrap();
    let drip = thread::spawn(move || {
        while client.write_all(b"x").is_ok() {
            thread::sleep(Duration::from_millis(20));
        }
    });
    let begun = Instant::now();
    server.set_deadline(begun + Duration::from_millis(300));
    let error = server.read_exact(&mut [0; 1000]).unwrap_err();
    let took = begun.elapsed();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert!(took >= Duration::from_millis(250) && took < 5 * SECOND, "{took:?}");
    // and nothing more is read or written
    assert_eq!(server.read(&mut [0; 1]).unwrap_err().kind(), ErrorKind::TimedOut);
    assert_eq!(server.write(&[0; 1]).unwrap_err().kind(), ErrorKind::TimedOut);
    drop(server);
    drip.join().unwrap();
}

#[test]
fn a_peer_that_reads_nothing_does_not_hold_up_whoever_writes() {
    let (_folder, path) = place();
    let accepting = accept(Listener::bind(&path, Audience::OwnUser).unwrap());
    let _silent = connect(&path, SECOND).unwrap();
    let (_listener, server) = accepting.join().unwrap();
    let mut server = server.unwrap();
    server.set_deadline(Instant::now() + Duration::from_millis(200));
    let error = server.write_all(&vec![0; 8 << 20]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
}

#[test]
fn a_wait_for_connections_ends_when_it_is_told_to_and_stays_ended() {
    let (_folder, path) = place();
    let listener = Listener::bind(&path, Audience::OwnUser).unwrap();
    let stopper = listener.stopper();
    let accepting = accept(listener);
    thread::sleep(Duration::from_millis(50));
    assert!(!accepting.is_finished());
    stopper.clone().stop();
    let (listener, accepted) = accepting.join().unwrap();
    assert!(accepted.is_none());
    stopper.stop();
    assert!(listener.accept().unwrap().is_none());
}

#[test]
fn a_client_does_not_wait_for_ever_where_nobody_accepts() {
    let (_folder, path) = place();
    let _listener = Listener::bind(&path, Audience::OwnUser).unwrap();
    let begun = Instant::now();
    // more than the system keeps until they are accepted
    let mut held = Vec::new();
    let error = loop {
        match connect(&path, Duration::from_millis(300)) {
            Ok(connection) => held.push(connection),
            Err(error) => break error,
        }
        assert!(held.len() < 10_000, "the queue has no end");
    };
    // Linux has them wait, macOS turns them away
    let is_late = matches!(error, ChannelError::Late(_));
    assert!(is_late || cfg!(target_os = "macos"), "{error}");
    assert!(begun.elapsed() < 20 * SECOND);
}

/// On Linux the numbers of a single thread can be others, which is what a socket goes by.
#[cfg(target_os = "linux")]
mod another_user {
    use rustix::process::{Gid, Uid};
    use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};

    use super::*;

    const USER: u32 = 4001;

    /// Runs something as another user; `None` without root.
    fn as_user<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        if !rustix::process::geteuid().is_root() {
            #[expect(clippy::disallowed_methods, reason = "a test's own parameter")]
            let must = std::env::var_os("CI").is_some_and(|value| value == "true");
            assert!(!must, "this test needs root");
            eprintln!("skipped: not root");
            return None;
        }
        let thread = thread::spawn(move || {
            let (user, group) = (Uid::from_raw(USER), Gid::from_raw(USER));
            set_thread_groups(&[]).unwrap();
            set_thread_res_gid(group, group, group).unwrap();
            set_thread_res_uid(user, user, user).unwrap();
            run()
        });
        Some(thread.join().unwrap())
    }

    #[test]
    fn a_user_who_connects_to_the_machines_agent_is_told_as_that_user() {
        let (_folder, path) = place();
        let accepting = accept(Listener::bind(&path, Audience::Everybody).unwrap());
        let at = path.clone();
        let Some(client) = as_user(move || connect(&at, SECOND)) else {
            drop(connect(&path, SECOND));
            return;
        };
        // root listens: the client takes it for the agent
        assert!(client.unwrap().peer().is_administrator);
        let (_listener, server) = accepting.join().unwrap();
        let expected =
            Peer { user: USER.to_string(), pid: Some(std::process::id()), is_administrator: false };
        assert_eq!(server.unwrap().peer(), &expected);
    }

    #[test]
    fn another_user_does_not_get_through_to_an_agent_that_is_a_users_own() {
        let (_folder, path) = place();
        let listener = Listener::bind(&path, Audience::OwnUser).unwrap();
        // not even where the rights of the files would let him
        set_mode(path.parent().unwrap(), 0o755);
        let at = path.clone();
        let Some(refused) = as_user(move || connect(&at, SECOND)) else { return };
        let denied = |error: &ChannelError| matches!(error, ChannelError::Io { source, .. } if source.kind() == ErrorKind::PermissionDenied);
        assert!(refused.is_err_and(|error| denied(&error)));
        set_mode(&path, 0o666);
        let stopper = listener.stopper();
        let accepting = accept(listener);
        let at = path.clone();
        let ended = as_user(move || connect(&at, SECOND).unwrap().read(&mut [0; 1])).unwrap();
        assert!(matches!(ended, Ok(0) | Err(_)), "{ended:?}");
        stopper.stop();
        assert!(accepting.join().unwrap().1.is_none());
    }

    #[test]
    fn a_socket_that_another_user_listens_at_is_not_taken_for_the_agents() {
        let (folder, _) = place();
        set_mode(folder.path(), 0o1777);
        let path = folder.path().join("agent.sock");
        let at = path.clone();
        let Some(planted) = as_user(move || UnixListener::bind(&at).unwrap()) else { return };
        let error = connect(&path, SECOND).unwrap_err();
        assert!(matches!(&error, ChannelError::Foreign { user, .. } if *user == USER.to_string()), "{error}");
        drop(planted);
    }

    #[test]
    fn a_folder_that_another_user_made_is_refused() {
        let (folder, path) = place();
        set_mode(folder.path(), 0o1777);
        let inner = path.parent().unwrap().to_owned();
        if as_user(move || fs::create_dir(inner).unwrap()).is_none() {
            return;
        }
        assert!(matches!(Listener::bind(&path, Audience::Everybody), Err(ChannelError::Refused { .. })));
    }
}
