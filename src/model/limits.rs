//! The limits of design section 7, each with its default.

use std::time::Duration;

use serde::Deserialize;

const MIB: u64 = 1024 * 1024;
const GIB: u64 = 1024 * MIB;

/// Every limit that a pusher can run into. All can be set in the `[limits]` section of `hoist.toml`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Largest pack accepted, in bytes. Default 2 GiB.
    pub pack_bytes: u64,
    /// Most objects in one pack. Default 10 million.
    pub pack_objects: u32,
    /// Largest single blob, or file of Git LFS, in bytes. Default 1 GiB.
    pub blob_bytes: u64,
    /// Largest source tree, exported or unpacked, and largest archive of one, in bytes. Default 1 GiB.
    pub source_bytes: u64,
    /// Most files in the source tree. Default 1 million.
    pub source_files: u64,
    /// Largest compressed slug, in bytes. Default 500 MiB.
    pub slug_bytes: u64,
    /// Compressed slug size that draws a warning, in bytes. Default 300 MiB.
    pub slug_warning_bytes: u64,
    /// Largest image that is run, unpacked, in bytes. Default 10 GiB.
    pub image_bytes: u64,
    /// Most files of an image that is run, all layers together. Default 1 million.
    pub image_files: u64,
    /// Images that stay unpacked for the next command. Default 20.
    pub unpacked_images: usize,
    /// Build caches that stay unpacked for the next build, all together, in bytes. Default 20 GiB; 0 keeps none.
    pub unpacked_cache_bytes: u64,
    /// Sources that stay exported for the next build, all together, in bytes. Default 10 GiB; 0 keeps none.
    pub unpacked_source_bytes: u64,
    /// Largest blob of an image, in bytes. Default 10 GiB.
    pub image_blob_bytes: u64,
    /// How long the upload of an image's blob is kept of which nothing comes. Default 24 h.
    #[serde(with = "humantime_serde")]
    pub image_upload_time: Duration,
    /// How long a blob or an image stays that nothing refers to. Longer than anything takes from the first byte it stores to
    /// the row that names it. Default 48 h.
    #[serde(with = "humantime_serde")]
    pub garbage_time: Duration,
    /// Longest build. Default 15 min.
    #[serde(with = "humantime_serde")]
    pub build_time: Duration,
    /// Silence of a build after which a note is printed. Default 5 min.
    #[serde(with = "humantime_serde")]
    pub build_silence: Duration,
    /// Memory of a build, in bytes. Default 2560 MiB.
    pub build_memory_bytes: u64,
    /// Processes and threads of a build. Default 512.
    pub build_pids: u32,
    /// CPUs of a build; 0 means all. Default 0.
    pub build_cpus: u32,
    /// Disk that a build may write, in bytes. Default 10 GiB.
    pub build_disk_bytes: u64,
    /// Build log kept, in bytes; past it the middle is dropped. Default 300 MiB.
    pub log_bytes: u64,
    /// Builds at once; 0 means one per core. Default 0.
    pub concurrent_builds: usize,
    /// Builds and test runs at once of one user; 0 means any number. Default 0.
    pub builds_per_user: usize,
    /// Builds that may wait for one app. Default 100.
    pub queued_builds_per_app: usize,
    /// Longest release command. Default 1 h.
    #[serde(with = "humantime_serde")]
    pub release_time: Duration,
    /// Longest one-off command, also one that asks for more. Default 24 h.
    #[serde(with = "humantime_serde")]
    pub run_time: Duration,
    /// One-off commands at once, all apps together. Default 20.
    pub concurrent_runs: usize,
    /// Longest test command of a test run, and longest script that prepares it. Default 1 h.
    #[serde(with = "humantime_serde")]
    pub test_time: Duration,
    /// Test runs of one pipeline that may run and wait. Default 20.
    pub queued_test_runs: usize,
    /// Setups of apps that one account may have running. Default 20.
    pub concurrent_setups: usize,
    /// Connections at once, both doors together. Default 1,024.
    pub connections: usize,
    /// Requests to the API within an hour, for each token; 0 means any number. Default 4,500.
    pub api_requests_per_hour: u32,
    /// Requests to the registry within an hour, for each token; 0 means any number. Default 45,000: an
    /// image of a hundred layers every ten seconds or so.
    pub image_requests_per_hour: u32,
    /// Git requests within an hour, for each user and app; 0 means any number. Default 75, and any number from this host
    /// itself.
    pub git_requests_per_hour: Option<u32>,
    /// Attempts to log in with a password within an hour, for each address; 0 means any number. Default 60.
    pub logins_per_hour: u32,
    /// Connections over SSH within an hour none of whose keys is known, for each address; 0 means any number. Default 600.
    pub failed_logins_per_hour: u32,
    /// Tokens, users and addresses whose requests are counted at once. Default 10,000.
    pub rate_buckets: usize,
    /// How long the audit trail is kept, at least a day. Default 400 days.
    #[serde(with = "humantime_serde")]
    pub audit_time: Duration,
    /// Time to send a request header. Default 10 s.
    #[serde(with = "humantime_serde")]
    pub header_time: Duration,
    /// Time for TLS or SSH to be set up and a user to log in. Default 30 s.
    #[serde(with = "humantime_serde")]
    pub handshake_time: Duration,
    /// Silence of a connection after which it is closed. Default 10 min.
    #[serde(with = "humantime_serde")]
    pub idle_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            pack_bytes: 2 * GIB,
            pack_objects: 10_000_000,
            blob_bytes: GIB,
            source_bytes: GIB,
            source_files: 1_000_000,
            slug_bytes: 500 * MIB,
            slug_warning_bytes: 300 * MIB,
            image_bytes: 10 * GIB,
            image_files: 1_000_000,
            unpacked_images: 20,
            unpacked_cache_bytes: 20 * GIB,
            unpacked_source_bytes: 10 * GIB,
            image_blob_bytes: 10 * GIB,
            image_upload_time: Duration::from_hours(24),
            garbage_time: Duration::from_hours(48),
            build_time: Duration::from_mins(15),
            build_silence: Duration::from_mins(5),
            build_memory_bytes: 2560 * MIB,
            build_pids: 512,
            build_cpus: 0,
            build_disk_bytes: 10 * GIB,
            log_bytes: 300 * MIB,
            concurrent_builds: 0,
            builds_per_user: 0,
            queued_builds_per_app: 100,
            release_time: Duration::from_hours(1),
            run_time: Duration::from_hours(24),
            concurrent_runs: 20,
            test_time: Duration::from_hours(1),
            queued_test_runs: 20,
            concurrent_setups: 20,
            connections: 1024,
            api_requests_per_hour: 4500,
            image_requests_per_hour: 45_000,
            git_requests_per_hour: None,
            logins_per_hour: 60,
            failed_logins_per_hour: 600,
            rate_buckets: 10_000,
            audit_time: Duration::from_hours(400 * 24),
            header_time: Duration::from_secs(10),
            handshake_time: Duration::from_secs(30),
            idle_time: Duration::from_mins(10),
        }
    }
}

impl Limits {
    /// What `git_requests_per_hour` is when the configuration does not say.
    pub const GIT_REQUESTS_PER_HOUR: u32 = 75;
}
