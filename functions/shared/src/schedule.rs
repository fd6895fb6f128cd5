//! When to check the status of an invalidation again.

use std::time::Duration;

/// How old an invalidation is at its first status check. AWS states that 95 % of invalidations take less than 25 seconds;
/// about a third may be completed before this.
const FIRST_CHECK: Duration = Duration::from_secs(9);

/// How long to wait before the next status check of an invalidation of this age: the square root of its age, in seconds.
///
/// A check costs three state transitions, and a wait costs the deployment time. Together they cost least if the waits grow with
/// the inverse square root of the rate at which invalidations complete. A few invalidations take minutes or most of an hour, so
/// that rate falls with their age. `tests/bench/src/schedule.rs` compares this schedule with the best possible one.
#[must_use]
pub fn next_check(age: Duration) -> Duration {
    // From whole seconds, so that the milliseconds a check takes do not make the next wait a second longer.
    let root_rounded_up = age.as_secs().saturating_sub(1).isqrt() + 1;
    Duration::from_secs(root_rounded_up).max(FIRST_CHECK.saturating_sub(age))
}

/// The wait as a Wait state accepts it: whole seconds, rounded up so that the check is never early.
#[must_use]
pub fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_are_frequent_at_first_and_at_most_a_minute_apart() {
        for (age, wait) in [
            (0, 9_000),
            (300, 8_700),
            (4_000, 5_000),
            (9_000, 3_000),
            (9_900, 3_000),
            (12_000, 4_000),
            (16_400, 4_000),
            (17_000, 5_000),
            (100_000, 10_000),
            (3_025_000, 55_000),
        ] {
            let next = next_check(Duration::from_millis(age));
            assert_eq!(next, Duration::from_millis(wait), "at {age} ms");
        }
    }

    #[test]
    fn a_wait_is_rounded_up_to_whole_seconds() {
        for (millis, seconds) in [(0, 0), (1, 1), (1_000, 1), (1_001, 2)] {
            assert_eq!(whole_seconds(Duration::from_millis(millis)), seconds);
        }
    }
}
