#![no_main]

#[path = "../targets/slug_tar.rs"]
mod target;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| target::run(bytes));
