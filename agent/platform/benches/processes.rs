//! What a look at the process table costs with 200 processes more than the machine has: the daemon takes one every 10 s
//! while a client runs.
#![allow(clippy::expect_used, reason = "this program is a measurement")]

use std::process::{Child, Command, Stdio};

use mcpolicy_platform::processes::{Exact, Instance, Table, processes};

/// As many as a laptop has beside the kernel's own.
const MANY: usize = 200;

/// Children that are ended with the measurement.
struct Sleeping(Vec<Child>);

impl Sleeping {
    fn start() -> Self {
        let start = |_| {
            let mut command = Command::new("sleep");
            command.arg("600").stdin(Stdio::null()).spawn().expect("sleep starts")
        };
        Self((0..MANY).map(start).collect())
    }
}

impl Drop for Sleeping {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn main() {
    let _sleeping = Sleeping::start();
    divan::main();
}

#[divan::bench(sample_count = 50)]
fn look_at_all_processes() -> usize {
    processes().len()
}

/// As the daemon looks, with one process watched.
#[divan::bench(sample_count = 60)]
fn look_again(bencher: divan::Bencher<'_, '_>) {
    let mut table = Table::default();
    let last = table.look(&|_| false).last().map(|process| process.pid);
    bencher.bench_local(|| table.look(&|process| Some(process.pid) == last).len());
}

#[divan::bench(sample_count = 50)]
fn the_precise_start_of_one() -> Option<Instance> {
    Instance::of(std::process::id())
}

#[divan::bench(sample_count = 50)]
fn a_hold_on_one(bencher: divan::Bencher<'_, '_>) {
    let mut sleeping = Command::new("sleep").arg("600").stdin(Stdio::null()).spawn().expect("sleep starts");
    let seen = || processes().into_iter().find(|one| one.pid == sleeping.id() && one.args.len() == 2);
    let seen = std::iter::from_fn(|| Some(seen())).flatten().next().expect("it is listed");
    let instance = Instance::of(seen.pid).expect("it has a start");
    bencher.bench(|| Exact::hold(&seen, instance).is_ok());
    let _ = sleeping.kill();
    let _ = sleeping.wait();
}
