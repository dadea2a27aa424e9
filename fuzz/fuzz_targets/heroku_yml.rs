#![no_main]

#[path = "../targets/heroku_yml.rs"]
mod target;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| target::run(bytes));
