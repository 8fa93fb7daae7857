//! What a worker does to itself before it reads a user's files.
