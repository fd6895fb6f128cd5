//! The fault matrix: every fault that AWS can show, at every call of a run, and the one right answer to each.
//!
//! Cases are generated in [`cases`], run on a deployed stack by [`lab`], and judged in [`verdict`] from what the stand-in
//! has recorded.

pub mod cases;
pub mod lab;
mod run;
pub mod verdict;
