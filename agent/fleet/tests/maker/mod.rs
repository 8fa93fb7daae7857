//! Generated fleets, the same each time. Used by the tests, by the example `make_fleet` and by tests/siem.
#![allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    clippy::expect_used,
    reason = "for tests; each of those who include it uses a part"
)]

pub mod fleet;
pub mod machine;
