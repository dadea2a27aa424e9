//! CI: an app's tests, run in an environment of their own for a pipeline.
//!
//! `submit` accepts a run and carries it out, whoever listens; `steps` is the run itself; `failure` holds every way in which
//! one can end without success, and the words; `live` knows the runs that have not ended.

mod failure;
mod live;
mod steps;
mod submit;

use failure::TestFailure;
pub use live::TestRuns;
pub use submit::{TestRunError, TestRunRequest, cancel_test_run, submit_test_run};
