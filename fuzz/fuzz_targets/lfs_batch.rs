#![no_main]

#[path = "../targets/lfs_batch.rs"]
mod target;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| target::run(bytes));
