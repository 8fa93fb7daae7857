use std::path::Path;

use mcpolicy_tests::private::{private_folder, set_mode};

use super::*;

/// Runs something with a log, and gives what was written.
fn logged(settings: &LogSettings, run: impl FnOnce()) -> String {
    let folder = private_folder();
    let redactor = Redactor::new(&[7; 32]);
    let built = built(settings, folder.path(), &redactor, false).unwrap();
    let (subscriber, guard) = built.expect("a log");
    tracing::subscriber::with_default(subscriber, run);
    // waits until all is written
    drop(guard);
    read(&file_of(&folder.path().join("log"), now()))
}

#[expect(clippy::disallowed_methods, reason = "a file of the test itself")]
fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

fn settings(level: LogLevel) -> LogSettings {
    LogSettings { level, ..LogSettings::default() }
}

const SECRET: &str = "ghp_0123456789abcdefghijABCDEFGHIJ012345";

#[test]
fn no_way_to_log_a_secret_gets_it_into_the_file() {
    #[derive(Debug)]
    #[expect(dead_code, reason = "printed")]
    struct Entry {
        name: &'static str,
        token: &'static str,
    }
    let entry = Entry { name: "github", token: SECRET };
    let error = io::Error::other(format!("unexpected `{SECRET}` in line 3"));
    let text = logged(&settings(LogLevel::Trace), || {
        tracing::info!("taken out: {SECRET}");
        tracing::info!(value = SECRET, "a field");
        tracing::info!(?entry, "a structure");
        tracing::info!(%error, "an error");
        tracing::info!(error = &error as &dyn std::error::Error, "an error");
        // known by the name that it has
        tracing::info!(password = "hunter2horse", "a name");
        tracing::info!(url = "https://user:hunter2horse@example.com/x?token=hunter2horse", "an address");
        tracing::info!(args = "--api-key hunter2horse", "a command line");
    });
    assert_eq!(text.lines().count(), 8, "{text}");
    assert!(!text.contains(SECRET) && !text.contains("hunter2horse"), "{text}");
    assert!(text.contains("name: \\\"github\\\"") && text.contains("<secret:"), "{text}");
}

#[test]
fn a_line_is_one_line_with_time_level_and_fields() {
    let text = logged(&settings(LogLevel::Info), || {
        tracing::warn!(server = "a\nb \u{1b}[31m\u{202e}", count = 3, path = "/home/ann/x y", "not done");
    });
    assert_eq!(text.lines().count(), 1, "{text:?}");
    assert!(text.contains("Z WARN mcpolicy::diagnostics::tests: not done server="), "{text}");
    assert!(text.contains(" count=3 path=\"/home/ann/x y\""), "{text}");
    assert!(!text.contains(['\u{1b}', '\u{202e}']), "{text:?}");
    let time = text.split(' ').next().unwrap();
    assert!(time.parse::<Timestamp>().is_ok(), "{time}");
    let long = logged(&settings(LogLevel::Info), || tracing::info!(path = "a/".repeat(100_000), "long"));
    assert!(long.len() < 10_000);
    // a secret that lies where the text is cut
    let text = logged(&settings(LogLevel::Info), || {
        for length in 2000..2048 {
            tracing::info!("{} {SECRET}", "a/".repeat(length / 2));
        }
    });
    assert!(text.lines().count() == 48 && !text.contains("ghp_"), "{text}");
}

#[test]
fn the_level_holds_and_lines_of_others_are_not_taken() {
    let text = logged(&settings(LogLevel::Warn), || {
        tracing::info!("info");
        tracing::warn!("warning");
        tracing::error!("failure");
        tracing::error!(target: "some_library", "of a library");
    });
    assert!(text.contains("warning") && text.contains("failure") && text.lines().count() == 2, "{text}");
    let folder = private_folder();
    let off = built(&settings(LogLevel::Off), folder.path(), &Redactor::new(&[7; 32]), false);
    assert!(off.unwrap().is_none() && !folder.path().join("log").exists());
}

#[test]
fn a_folder_that_is_another_users_or_a_link_gives_no_log() {
    let folder = private_folder();
    let redactor = Redactor::new(&[7; 32]);
    let start = |dir: &Path| {
        let settings = LogSettings { dir: Some(dir.to_owned()), ..LogSettings::default() };
        built(&settings, folder.path(), &redactor, false).map(drop)
    };
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    assert!(matches!(start(&file), Err(LogError::Folder { .. })));
    let open = folder.path().join("open");
    std::fs::create_dir(&open).unwrap();
    // one that others may enter is closed before it is used
    if set_mode(&open, 0o755) {
        start(&open).unwrap();
        assert!(durable::is_private(&open));
    }
    let link = folder.path().join("link");
    if mcpolicy_tests::private::link_folder(&open, &link) {
        assert!(start(&link).is_err());
    }
}

#[test]
fn only_so_many_files_are_kept() {
    let folder = private_folder();
    let log = folder.path().join("log");
    durable::make_private_directory(&log).unwrap();
    for day in 10..30 {
        std::fs::write(log.join(format!("mcpolicy.2020-01-{day}.log")), "old").unwrap();
    }
    std::fs::write(log.join("notes.txt"), "kept").unwrap();
    let settings = LogSettings { max_files: 3, ..LogSettings::default() };
    drop(built(&settings, folder.path(), &Redactor::new(&[7; 32]), false).unwrap());
    let mut names: Vec<String> = std::fs::read_dir(&log)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names.len(), 4, "{names:?}");
    assert!(names.contains(&"notes.txt".to_owned()), "{names:?}");
}

#[test]
fn a_panic_is_told_by_its_place_and_never_by_its_message() {
    use std::sync::Mutex;
    static TOLD: Mutex<Vec<String>> = Mutex::new(Vec::new());
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(|info| TOLD.lock().unwrap().push(of_panic(info))));
    let caught = std::thread::Builder::new()
        .name("parser".to_owned())
        .spawn(|| panic!("bad line: {SECRET}"))
        .unwrap()
        .join();
    std::panic::set_hook(before);
    assert!(caught.is_err());
    let told = TOLD.lock().unwrap();
    let told = told.iter().find(|text| text.contains("thread parser")).expect("it is told");
    assert!(told.contains("diagnostics/tests.rs:") && !told.contains("bad line"), "{told}");
}
