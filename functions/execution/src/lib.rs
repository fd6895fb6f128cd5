//! What every function that starts an execution shares: the settings that say what is invalidated, and the one input and the name
//! of an execution. Each of these functions serves somebody else (CodeDeploy, Amazon ECS, EventBridge, an engineer) and has a role
//! of its own.

pub mod describe;
pub mod name;
pub mod rollback;
pub mod settings;
pub mod start;
pub mod targets;

pub use describe::{arn, describe};
pub use start::{Start, StartError, start};
