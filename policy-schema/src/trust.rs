//! Which signed documents are believed, and since when: roots, rotation, rollback floor, staleness. Time is an
//! argument.
