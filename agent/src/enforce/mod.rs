//! One full pass over a machine with a verified policy: everything that is not allowed is pinned, put back to its
//! last allowed text, switched off or quarantined, every other byte stays as it was.

pub mod act;
pub mod activation;
pub mod aside;
mod asked;
pub mod breakglass;
pub mod foreseen;
mod freed;
pub mod grants;
pub mod house;
mod in_parts;
pub mod known;
pub mod last_allowed;
mod leftovers;
mod not_done;
pub mod owned;
pub mod pass;
pub mod pin;
pub mod places;
pub mod plan;
mod refused;
pub mod remembered;
pub mod replay;
pub mod requests;
pub mod restore;
pub mod restore_beside;
mod spot;
mod swap;
pub mod told;
mod turns;
pub mod unseen;
pub mod whole;
pub mod whole_act;
mod whose;
