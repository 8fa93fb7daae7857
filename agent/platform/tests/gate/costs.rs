//! What an open costs, and that nothing leaks.

use std::fs::{self, File};
use std::io::Read as _;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use mcpolicy_platform::gate::Late;

use crate::rig::{Rig, own_program, read, reader};

pub(crate) const ALL: &[(&str, fn())] = &[
    ("an_open_costs_little_in_a_folder_that_is_held_and_nothing_elsewhere", latency),
    ("two_hundred_thousand_opens_leak_no_file", leaks),
];

/// Opens for the measurement, in each place.
const MEASURED: usize = 20_000;
/// Opens of the test for leaks; more of them in the long run.
const OPENS: usize = 200_000;

/// Opens a file so often, and says how long that took: half of them, 99 of 100 and all, in nanoseconds.
pub(crate) fn open(path: &str, count: usize) {
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let begin = Instant::now();
        let file = File::open(path).unwrap();
        times.push(begin.elapsed().as_nanos());
        drop(file);
    }
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    println!("{} {} {}", at(0.5), at(0.99), at(1.0));
}

/// The same in a process of its own: half, 99 of 100, and all.
fn opens(path: &Path, count: usize) -> [f64; 3] {
    let output = Command::new(own_program()).arg("open").arg(path).arg(count.to_string()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8(output.stdout).unwrap();
    let times: Vec<f64> = said.split_whitespace().map(|ns| ns.parse::<f64>().unwrap() / 1000.0).collect();
    times.try_into().unwrap()
}

fn remember(rig: &Rig, path: &Path) {
    std::thread::sleep(Duration::from_millis(60));
    let child = reader(path);
    rig.answer(true);
    assert!(read(child).is_some());
}

fn latency() {
    let mut rig = Rig::new(Late::Deny);
    let (path, other) = (rig.file("mcp.json", "{}"), rig.file("notes.txt", "x"));
    let beside = rig.around().join("mcp.json");
    fs::write(&beside, "{}").unwrap();
    remember(&rig, &path);
    let with = [("matters, remembered", &path), ("does not matter", &other), ("in a folder beside", &beside)]
        .map(|(what, path)| (what, opens(path, MEASURED)));
    let (mut held, _) = (rig.held(), rig.gate.hold(&[]));
    held.push("mcp.json");
    let without = opens(&held, MEASURED);
    println!(
        "  no gate              p50 {:6.1} us  p99 {:7.1} us  max {:8.1} us",
        without[0], without[1], without[2]
    );
    for (what, [p50, p99, max]) in with {
        println!("  {what:<20} p50 {p50:6.1} us  p99 {p99:7.1} us  max {max:8.1} us");
    }
    // budgets are measured on a quiet machine; here is only told what cannot be noise
    let [_, (_, other), (_, beside)] = with;
    assert!(beside[0] < without[0] * 3.0 + 1.0, "nothing waits elsewhere: {beside:?} {without:?}");
    assert!(other[0] < 2000.0, "{other:?}");
}

fn leaks() {
    let rig = Rig::new(Late::Deny);
    let (path, other) = (rig.file("mcp.json", "{}"), rig.file("notes.txt", "x"));
    remember(&rig, &path);
    let (holder, answering) = rig.processes();
    let files = |pid: u32| fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
    let memory = |pid: u32| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap().to_owned();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()
    };
    let opened = std::env::var("MCPOLICY_GATE_OPENS").map_or(OPENS, |count| count.parse().unwrap());
    opens(&other, 1000);
    let before = (files(holder), files(answering), memory(answering));
    let begin = Instant::now();
    for path in [&path, &other] {
        let [p50, p99, max] = opens(path, opened / 2);
        println!("  {} opens: p50 {p50:.1} us  p99 {p99:.1} us  max {max:.1} us", opened / 2);
    }
    let after = (files(holder), files(answering), memory(answering));
    println!(
        "  {opened} opens in {:.1} s; files {} -> {}, memory {} -> {} KiB",
        begin.elapsed().as_secs_f64(),
        before.1,
        after.1,
        before.2,
        after.2
    );
    assert_eq!((before.0, before.1), (after.0, after.1));
    assert!(after.2 < before.2 + 512, "{before:?} {after:?}");
    assert_eq!(rig.processes(), (holder, answering), "neither was started anew");
}

/// Another listener for permission events of a folder, which lets everybody through after some time.
pub(crate) struct SlowListener {
    ends: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
}

impl SlowListener {
    #[allow(unsafe_code, reason = "neither std nor rustix has fanotify")]
    pub(crate) fn over(folder: &Path, pause: Duration) -> Self {
        let class = libc::FAN_CLASS_CONTENT | libc::FAN_CLOEXEC | libc::FAN_NONBLOCK;
        // SAFETY: takes two numbers
        let group = unsafe { libc::fanotify_init(class, (libc::O_RDONLY | libc::O_CLOEXEC).unsigned_abs()) };
        assert!(group >= 0);
        // SAFETY: it was just made, and is nobody else's
        let group = unsafe { OwnedFd::from_raw_fd(group) };
        let opened = File::open(folder).unwrap();
        let mask = libc::FAN_OPEN_PERM | libc::FAN_EVENT_ON_CHILD;
        // SAFETY: both descriptors are open
        let done = unsafe {
            libc::fanotify_mark(
                group.as_raw_fd(),
                libc::FAN_MARK_ADD,
                mask,
                opened.as_raw_fd(),
                std::ptr::null(),
            )
        };
        assert_eq!(done, 0);
        let (ends, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let thread = std::thread::spawn({
            let (ends, answered) = (ends.clone(), answered.clone());
            move || answer(group, pause, &ends, &answered)
        });
        Self { ends, answered, thread: Some(thread) }
    }

    pub(crate) fn answered(&self) -> usize {
        self.answered.load(Ordering::SeqCst)
    }
}

fn answer(group: OwnedFd, pause: Duration, ends: &AtomicBool, answered: &AtomicUsize) {
    let mut group = File::from(group);
    while !ends.load(Ordering::SeqCst) {
        let mut event = [0; 24];
        if !group.read(&mut event).is_ok_and(|read| read == 24) {
            std::thread::sleep(Duration::from_millis(5));
            continue;
        }
        std::thread::sleep(pause);
        let number: [u8; 4] = event[16..20].try_into().unwrap();
        let response = [number, libc::FAN_ALLOW.to_ne_bytes()].concat();
        std::io::Write::write_all(&mut group, &response).unwrap();
        answered.fetch_add(1, Ordering::SeqCst);
        #[allow(unsafe_code, reason = "a descriptor of the kernel's")]
        // SAFETY: the kernel opened it for this process, and nobody else closes it
        drop(unsafe { OwnedFd::from_raw_fd(i32::from_ne_bytes(number)) });
    }
}

impl Drop for SlowListener {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
