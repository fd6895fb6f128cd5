//! When to look at an invalidation again.

use std::time::Duration;

/// AWS states that 95 % of invalidations take less than 25 seconds; hardly any is done before this.
const FIRST_LOOK: Duration = Duration::from_secs(10);
/// A look costs three state transitions; below this the delay saved is not worth them.
const SHORTEST: Duration = Duration::from_secs(5);
/// Even a purge that takes 40 minutes is noticed within a minute.
const LONGEST: Duration = Duration::from_mins(1);

/// How long to wait before the next look at an invalidation of this age: a quarter of its age, so that the delay in
/// noticing stays in proportion to the purge itself.
#[must_use]
pub fn next_look(age: Duration) -> Duration {
    (age / 4)
        .clamp(SHORTEST, LONGEST)
        .max(FIRST_LOOK.saturating_sub(age))
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
            (0, 10),
            (4, 6),
            (10, 5),
            (40, 10),
            (200, 50),
            (240, 60),
            (3000, 60),
        ] {
            let next = next_look(Duration::from_secs(age));
            assert_eq!(next, Duration::from_secs(wait), "at {age} s");
        }
    }

    #[test]
    fn a_wait_is_rounded_up_to_whole_seconds() {
        for (millis, seconds) in [(0, 0), (1, 1), (1_000, 1), (1_001, 2)] {
            assert_eq!(whole_seconds(Duration::from_millis(millis)), seconds);
        }
    }
}
