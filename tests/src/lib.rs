//! What runs across functions: the product deployed on a local AWS, and the scenarios that the demo shows and the
//! end-to-end tests judge.

pub mod command;
pub mod containers;
pub mod diagram;
pub mod docs;
pub mod faults;
pub mod follow;
pub mod guardian;
pub mod local_aws;
pub mod moto;
pub mod permissions;
pub mod scenario;
pub mod stack;
