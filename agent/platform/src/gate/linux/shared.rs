//! What the holder must know of the answering process when that has died: a page of memory that both see.

use std::ptr::NonNull;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

/// Numbers of files that the answering process can have.
pub(super) const FILES: usize = 1024;

/// What is known of an open that was read and not answered yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    /// Nothing: the process died between reading it and looking at it.
    Unknown = 0,
    /// Its file matters.
    Matters = 1,
    /// It does not.
    Other = 2,
}

#[repr(C)]
struct Page {
    late: AtomicU8,
    opens: [AtomicU8; FILES],
    /// Deaths of the answering process.
    deaths: AtomicU64,
}

/// The page. It lives as long as the process.
#[derive(Clone, Copy)]
pub(super) struct Shared(NonNull<Page>);

impl Shared {
    pub(super) fn new() -> std::io::Result<Self> {
        // SAFETY: asks for fresh memory, which is all zero: a value of every member
        let at = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                size_of::<Page>(),
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if at == libc::MAP_FAILED {
            return Err(std::io::Error::last_os_error());
        }
        NonNull::new(at.cast()).map(Self).ok_or_else(|| std::io::ErrorKind::OutOfMemory.into())
    }

    fn page(&self) -> &Page {
        // SAFETY: it is never unmapped, aligned as a page is, and holds nothing but atomics
        unsafe { self.0.as_ref() }
    }

    /// Whether what is late goes on.
    pub(super) fn late_is_allowed(&self) -> bool {
        self.page().late.load(Ordering::SeqCst) == 1
    }

    pub(super) fn set_late(&self, allowed: bool) {
        self.page().late.store(u8::from(allowed), Ordering::SeqCst);
    }

    pub(super) fn note(&self, number: i32, what: Of) {
        if let Some(open) = usize::try_from(number).ok().and_then(|at| self.page().opens.get(at)) {
            open.store(what as u8, Ordering::SeqCst);
        }
    }

    /// What is known of one, which is forgotten by that.
    pub(super) fn take(&self, number: i32) -> Of {
        let open = usize::try_from(number).ok().and_then(|at| self.page().opens.get(at));
        match open.map_or(0, |open| open.swap(0, Ordering::SeqCst)) {
            1 => Of::Matters,
            2 => Of::Other,
            _ => Of::Unknown,
        }
    }

    pub(super) fn deaths(&self) -> u64 {
        self.page().deaths.load(Ordering::SeqCst)
    }

    pub(super) fn died(&self) {
        self.page().deaths.fetch_add(1, Ordering::SeqCst);
    }
}
