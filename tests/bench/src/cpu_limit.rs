//! The processor as Lambda hands it out.

use std::{fmt, fs, io, path::PathBuf, thread, time::Duration};

/// "At 1,769 MB, a function has the equivalent of one vCPU", and less in proportion (Lambda Developer Guide, "Configure
/// Lambda function memory").
const MEGABYTES_OF_A_PROCESSOR: u32 = 1769;
/// How often a function gets its share anew, in microseconds (measured on Lambda by arXiv:2506.01283).
const PERIOD: u32 = 20_000;

/// A function's memory, in MB, and with it its share of a processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Memory(pub u32);

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} MB", self.0)
    }
}

/// A control group with that share. It is gone when this is dropped and its processes are.
pub struct CpuLimit(PathBuf);

impl CpuLimit {
    /// Makes it, under either version of control groups.
    ///
    /// # Errors
    /// When this user may not.
    pub fn new(memory: Memory) -> io::Result<Self> {
        let name = format!("bench-{}-{}", std::process::id(), memory.0);
        let quota = PERIOD * memory.0 / MEGABYTES_OF_A_PROCESSOR;
        let root = PathBuf::from("/sys/fs/cgroup");
        if root.join("cgroup.controllers").exists() {
            let limit = Self::create(root.join(name))?;
            fs::write(limit.0.join("cpu.max"), format!("{quota} {PERIOD}"))?;
            return Ok(limit);
        }
        let limit = Self::create(root.join("cpu").join(name))?;
        fs::write(limit.0.join("cpu.cfs_period_us"), PERIOD.to_string())?;
        fs::write(limit.0.join("cpu.cfs_quota_us"), quota.to_string())?;
        Ok(limit)
    }

    fn create(folder: PathBuf) -> io::Result<Self> {
        fs::create_dir(&folder)?;
        Ok(Self(folder))
    }

    /// Holds a process to it from now on.
    ///
    /// # Errors
    /// When it is gone.
    pub fn hold(&self, process: u32) -> io::Result<()> {
        fs::write(self.0.join("cgroup.procs"), process.to_string())
    }
}

impl Drop for CpuLimit {
    fn drop(&mut self) {
        // A process that was just killed is in it for a moment.
        for _ in 0..100 {
            if fs::remove_dir(&self.0).is_ok() {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}
