//! What a deployment costs, counted in the histories of executions.
//!
//! The real state machine runs on moto, with the functions' real handlers and the stand-in for CloudFront and CodeDeploy.
//! An invalidation of 50 minutes takes two and a half here: all clocks run faster, and waits are as much shorter.

mod executions;

use std::{collections::BTreeMap, path::Path, time::Duration};

use anyhow::Result;

use self::executions::Executions;
use crate::candidate::Function;

/// The numbers of distributions that are invalidated.
pub const DISTRIBUTIONS: [u32; 3] = [1, 5, 50];
/// The interval of the alternatives: that of `aws cloudfront wait invalidation-completed` and of boto3's waiter.
pub const POLL_INTERVAL: Duration = Duration::from_secs(20);
/// The invalidation time of the target for transitions.
const USUAL: Duration = Duration::from_secs(20);
/// How long invalidations take, and how many times faster the clocks run.
pub const INVALIDATION_TIMES: [(Duration, u32); 5] = [
    (Duration::from_secs(10), 1),
    (USUAL, 1),
    (Duration::from_mins(1), 1),
    (Duration::from_mins(10), 10),
    (Duration::from_mins(50), 20),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum StateMachine {
    /// `statemachine/invalidate.asl.json`
    Product,
    /// `tests/bench/peers/poller.asl.json`
    Poller,
}

/// A deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Case {
    pub machine: StateMachine,
    pub invalidation_time: Duration,
    pub distributions: u32,
}

impl Case {
    /// The one with a target.
    pub const USUAL: Self = Self {
        machine: StateMachine::Product,
        invalidation_time: USUAL,
        distributions: 1,
    };

    /// AWS ends an execution at 25,000 events. The poller has nine for each status check of each distribution.
    fn is_possible(&self) -> bool {
        let checks = self.invalidation_time.as_secs() / POLL_INTERVAL.as_secs();
        let events = 9 * checks * u64::from(self.distributions);
        self.machine == StateMachine::Product || events < 25_000
    }
}

/// What a deployment uses, the hook function included.
#[derive(Debug, Clone)]
pub struct Usage {
    /// States entered, which is what Step Functions charges for.
    pub transitions: usize,
    pub invocations: BTreeMap<Function, usize>,
    pub api_calls: usize,
    pub history_events: usize,
}

/// Runs all cases side by side.
pub async fn count(folder: &Path) -> Result<BTreeMap<Case, Usage>> {
    let mut running = Vec::new();
    for machine in [StateMachine::Product, StateMachine::Poller] {
        let by_speed = INVALIDATION_TIMES.chunk_by(|(_, a), (_, b)| a == b);
        // The fastest clocks first, so that these executions end while the slower ones run.
        for times in by_speed.rev() {
            let cases = times.iter().flat_map(|&(invalidation_time, _)| {
                DISTRIBUTIONS.map(|distributions| Case {
                    machine,
                    invalidation_time,
                    distributions,
                })
            });
            let cases = cases.filter(Case::is_possible).collect();
            running.push(Executions::start(machine, times[0].1, cases, folder).await?);
        }
    }
    let mut usage = BTreeMap::new();
    for executions in running {
        usage.extend(executions.usage().await?);
    }
    Ok(usage)
}
