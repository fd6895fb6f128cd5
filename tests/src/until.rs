//! Waiting for something that nobody announces.

use std::time::{Duration, Instant};

use anyhow::Result;

const SHORTEST_INTERVAL: Duration = Duration::from_millis(100);

/// Asks until the answer is yes, at most for `patience`; returns whether it was. The time between two questions grows up to
/// `longest_interval`, so that what is quick is seen soon, and what is slow costs little.
pub async fn until(
    patience: Duration,
    longest_interval: Duration,
    mut is_met: impl AsyncFnMut() -> Result<bool>,
) -> Result<bool> {
    let began = Instant::now();
    loop {
        if is_met().await? {
            return Ok(true);
        }
        let passed = began.elapsed();
        if passed > patience {
            return Ok(false);
        }
        let interval = (passed / 10).clamp(SHORTEST_INTERVAL, longest_interval);
        tokio::time::sleep(interval).await;
    }
}
