//! What the agent and commands say to each other over the local channel.

pub mod frame;
