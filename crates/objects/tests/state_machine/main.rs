//! Random scripts against a naive S3: every answer and every state must be the same, whatever comes in between.
//!
//! `HOLDFAST_TEST_CASES` scripts are drawn (default: a few hundred) from `HOLDFAST_TEST_SEED` (default: a new one, which a failure
//! prints). A failure shrinks to a short script, printed in the words of S3 and as Rust for the table of `known.rs`.
#![allow(
    clippy::unwrap_used,
    clippy::trivially_copy_pass_by_ref,
    clippy::format_push_string,
    missing_docs,
    unreachable_pub,
    reason = "a test"
)]

mod draw;
mod known;
mod naive;
mod pairs;
mod product;
mod run;
mod script;
mod words;

use std::{
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Instant,
};

use parking_lot::Mutex;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use crate::script::Step;

const CASES: u32 = 400;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

/// Runs a script, and says what went wrong and how it came to it.
fn outcome(script: &[Step]) -> Result<(), String> {
    let log: Arc<Mutex<Vec<String>>> = Arc::default();
    let ran = catch_unwind(AssertUnwindSafe(|| run::run(script, Arc::clone(&log))));
    let error = match ran {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(error)) => error,
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned().or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            format!("a panic: {}", text.unwrap_or_default())
        }
    };
    Err(format!("{}\n  {error}\n", log.lock().join("\n")))
}

#[test]
fn every_script_has_the_answers_of_the_naive_s3() {
    let cases = number("HOLDFAST_TEST_CASES").map_or(CASES, |cases| cases as u32);
    let seed = number("HOLDFAST_TEST_SEED").unwrap_or_else(|| u64::from_ne_bytes(std::array::from_fn(|_| rand_byte())));
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 20_000, max_shrink_time: 30_000, ..Config::default() };
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_be_bytes());
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let (since, ran, first) = (Instant::now(), Cell::new(0u64), Cell::new(None));
    let result = runner.run(&draw::script(), |script| {
        ran.set(ran.get() + 1);
        outcome(&script).map_err(|why| {
            first.set(first.get().or(Some(ran.get())));
            TestCaseError::fail(why)
        })
    });
    let (ran, first) = (ran.get(), first.get().unwrap_or_default());
    match result {
        Ok(()) => println!("{ran} scripts in {:?}, HOLDFAST_TEST_SEED={seed}", since.elapsed()),
        Err(TestError::Fail(_, script)) => {
            let why = outcome(&script).err().unwrap_or_else(|| "it held when it ran again".into());
            let steps: Vec<_> = script.iter().map(|step| format!("    {step:?},")).collect();
            panic!(
                "script {first} failed, HOLDFAST_TEST_SEED={seed}; after {ran} runs the script of {} steps:\n{why}\n{}\n",
                script.len(),
                steps.join("\n")
            );
        }
        Err(error) => panic!("{error}, HOLDFAST_TEST_SEED={seed}"),
    }
}

fn rand_byte() -> u8 {
    let mut byte = [0];
    getrandom::fill(&mut byte).unwrap();
    byte[0]
}
