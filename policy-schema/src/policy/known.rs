//! What has been met already, by its text.
#![allow(clippy::disallowed_types, reason = "looked up only: nothing is told in its order")]

use std::collections::HashMap;

use foldhash::fast::FixedState;

/// A map to look things up while a document is compiled. Whoever signs policies chooses the texts, so nobody else can
/// choose some that collide.
pub(super) type Known<K, V> = HashMap<K, V, FixedState>;
