//! Scripts that found a bug, as the failure printed them. Each fails without its fix.

use crate::{outcome, script::*};

fn holds(script: &[Step]) {
    if let Err(why) = outcome(script) {
        panic!("{why}");
    }
}

#[test]
fn an_empty_script_holds() {
    holds(&[]);
}
