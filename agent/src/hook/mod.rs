//! What a client's hook is told by the client, and what it answers: the forms of each. No decision is made here.
//!
//! The input is hostile: a model chooses the arguments of a call, a server its result, and whoever likes writes the whole.
//! Nothing of it is kept but names and a digest, and nothing of it is ever put into an error.

mod heard;
mod said;

pub use heard::{Heard, hear};
pub use said::{REFUSED, Said, let_through, refuse};

/// Longest input, in bytes: a call has its arguments in it, and its end what came back.
pub const MAX_INPUT: u64 = 16 << 20;
