//! The queue on file systems that fail, and on the real one.

mod crash;
mod damage;
mod fault;
mod model;
mod real;
mod room;
mod world;
