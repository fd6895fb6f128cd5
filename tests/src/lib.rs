//! What runs across functions: the product deployed on a local AWS, the cases that it can meet there, and the judge of what
//! comes of them.

#![expect(
    missing_docs,
    clippy::missing_errors_doc,
    clippy::missing_panics_doc,
    clippy::must_use_candidate,
    reason = "test helpers, whose names say what they are"
)]

pub mod case;
pub mod catalogue;
pub mod command;
pub mod deployment;
pub mod docs;
pub mod ecs;
pub mod edge;
pub mod environment;
pub mod follow;
pub mod guardian;
pub mod interpreter;
pub mod judge;
pub mod matrix;
pub mod run;
pub mod sam;
pub mod server;
pub mod stack;
pub mod until;
