//! What one replacing of a file costs beside the same done bare: a temporary file, fsync, rename, fsync of the directory.
//! On the disk of the temporary folder, and in memory, where what is left is our own work.
#![allow(clippy::unwrap_used, reason = "a benchmark ends where its machine does")]
#![allow(clippy::disallowed_methods, reason = "the bare way is the one that is forbidden elsewhere")]

#[cfg(target_os = "linux")]
mod linux {
    use std::fs::{self, File, Permissions};
    use std::io::Write as _;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;

    use mcpolicy_platform::secure_fs::HomeDir;
    use tempfile::TempDir;

    const SMALL: usize = 4 << 10;
    const LARGE: usize = 5 << 20;

    fn home(in_memory: bool, length: usize) -> TempDir {
        let dir = if in_memory { tempfile::tempdir_in("/dev/shm") } else { tempfile::tempdir() };
        let dir = dir.unwrap();
        fs::set_permissions(dir.path(), Permissions::from_mode(0o700)).unwrap();
        fs::create_dir(dir.path().join("d")).unwrap();
        fs::write(dir.path().join("d/a"), vec![b'x'; length]).unwrap();
        dir
    }

    #[divan::bench(args = [(true, SMALL), (false, SMALL), (true, LARGE), (false, LARGE)])]
    fn bare(bencher: divan::Bencher<'_, '_>, (in_memory, length): (bool, usize)) {
        let dir = home(in_memory, length);
        let path = dir.path().join("d");
        bencher.bench_local(|| replace_bare(&path));
    }

    fn replace_bare(dir: &Path) {
        let mut bytes = fs::read(dir.join("a")).unwrap();
        bytes[0] ^= 1;
        let mut temp = File::create(dir.join("temp")).unwrap();
        temp.write_all(&bytes).unwrap();
        temp.sync_all().unwrap();
        fs::rename(dir.join("temp"), dir.join("a")).unwrap();
        File::open(dir).unwrap().sync_all().unwrap();
    }

    #[divan::bench(args = [(true, SMALL), (false, SMALL), (true, LARGE), (false, LARGE)])]
    fn checked(bencher: divan::Bencher<'_, '_>, (in_memory, length): (bool, usize)) {
        let dir = home(in_memory, length);
        let home = HomeDir::open(dir.path(), None).unwrap();
        bencher.bench_local(|| {
            let original = home.open_file(Path::new("d/a"), 8 << 20).unwrap();
            let mut bytes = original.bytes().to_vec();
            bytes[0] ^= 1;
            original.replace(&bytes).unwrap()
        });
    }
}

fn main() {
    divan::main();
}
