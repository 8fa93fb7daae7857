//! Memory of this process.

#![allow(unsafe_code, reason = "the allocator has no safe interface for it")]

/// Gives memory that was freed back to the system, where the allocator keeps it for later.
///
/// glibc keeps what was freed, and once a file of 5 MB was read and let go it keeps such pieces for good: an agent that reads one
/// a day would hold it all day. Elsewhere the allocator does this by itself.
pub fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: it takes the allocator's own locks and touches nothing that is in use
    unsafe {
        libc::malloc_trim(0);
    }
}

#[cfg(all(test, target_os = "linux", target_env = "gnu"))]
mod tests {
    use crate::cost::own;

    #[test]
    fn what_was_freed_is_given_back() {
        let pieces: Vec<Vec<u8>> = (0..200_000).map(|_| vec![1; 200]).collect();
        // one that stays, so that the end of the heap cannot simply be cut
        let last = vec![1_u8; 200];
        drop(pieces);
        let before = own().memory_kib;
        super::give_back();
        let after = own().memory_kib;
        assert!(after + 10_000 < before, "{before} {after}");
        drop(last);
    }
}
