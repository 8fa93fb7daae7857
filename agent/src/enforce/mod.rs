//! One full pass over a machine with a verified policy: everything that is not allowed is pinned, switched off or
//! quarantined, every other byte stays as it was.

pub mod act;
pub mod activation;
pub mod pass;
pub mod pin;
pub mod places;
pub mod plan;
pub mod remembered;
pub mod replay;
pub mod restore;
