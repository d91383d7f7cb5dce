//! Carts, checkouts, moves and counts against a simple model in memory: whatever is done in whatever
//! order, the service answers and stores what the model says, and the audit finds nothing.

mod reference;
mod system;

use proptest::test_runner::Config;
use proptest_state_machine::prop_state_machine;

use self::system::Service;

prop_state_machine! {
    #![proptest_config(Config {
        cases: 16,
        // A step is a request to a real server: a failure is worth a few minutes of shrinking, not hours.
        max_shrink_time: 180_000,
        failure_persistence: None,
        ..Config::default()
    })]

    #[test]
    fn the_service_does_what_the_model_says(sequential 100..250 => Service);
}
