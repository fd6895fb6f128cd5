//! What crosses the functions' boundaries: the documents they exchange, the settings more than one of them reads, the
//! shape of their errors, and how they talk to AWS.
//!
//! Nothing here belongs to a single function; what only one of them needs lives in that one.

pub mod aws;
pub mod codedeploy;
pub mod document;
pub mod errors;
pub mod execution;
pub mod failure_action;
pub mod hook;
pub mod invalidation;
pub mod logs;
pub mod schedule;
pub mod timestamp;
