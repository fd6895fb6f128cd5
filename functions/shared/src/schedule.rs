//! When to look at an invalidation again.

use std::time::Duration;

/// AWS states that 95 % of invalidations take less than 25 seconds; about a third may be done before this.
const FIRST_LOOK: Duration = Duration::from_secs(9);

/// How long to wait before the next look at an invalidation of this age: as many seconds as the square root of its age.
///
/// A look costs three state transitions, a wait costs the deployment time. Both together cost least when the waits grow with
/// the inverse square root of the rate at which purges are done; where a few of them take minutes or most of an hour,
/// that rate falls with a purge's age. `tests/bench/src/schedule.rs` compares this with the best there can be.
#[must_use]
pub fn next_look(age: Duration) -> Duration {
    // Whole seconds, so that the moments that pass on the way to a look do not make the next wait a second longer.
    let root_rounded_up = age.as_secs().saturating_sub(1).isqrt() + 1;
    Duration::from_secs(root_rounded_up).max(FIRST_LOOK.saturating_sub(age))
}

/// The wait as a Wait state takes it: whole seconds, rounded up so that the look is never early.
#[must_use]
pub fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_are_soon_at_first_and_at_most_a_minute_apart() {
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
            let next = next_look(Duration::from_millis(age));
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
