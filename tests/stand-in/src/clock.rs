use std::time::{Duration, Instant, SystemTime};

/// The time of day, or one that runs faster from now on.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    began: Instant,
    began_at: SystemTime,
    speed: u32,
}

impl Clock {
    /// A clock that shows the time of day now, and from now on so many seconds in each second.
    #[must_use]
    pub fn at_speed(speed: u32) -> Self {
        Self {
            began: Instant::now(),
            began_at: SystemTime::now(),
            speed,
        }
    }

    /// What it shows.
    #[must_use]
    pub fn now(&self) -> SystemTime {
        self.began_at + self.began.elapsed() * self.speed
    }

    /// How long ago that was, by this clock.
    pub(crate) fn since(&self, earlier: SystemTime) -> Duration {
        self.now().duration_since(earlier).unwrap_or_default()
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::at_speed(1)
    }
}
