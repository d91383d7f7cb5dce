//! The load behind the scenes. In a run that makes pictures it goes on for longer, so that charts and averages
//! have something to show.

use std::{process::Stdio, time::Duration};

use fantoccini::wd::TimeoutConfiguration;
use tokio::process::{Child, Command};

use crate::{
    loadtest::{loadtest, loadtest_of},
    support::{Server, World},
};

use super::Browser;

/// True in a run that makes pictures.
pub fn are_pictured() -> bool {
    std::env::var_os(super::browser::PICTURES).is_some()
}

/// A load test, which ends with this. `carts` are prepared, unless it is to go on for longer.
pub fn load(world: &World, options: &str, carts: u32) -> Child {
    let carts = if are_pictured() {
        "--mode purchase".to_owned()
    } else {
        format!("--carts {carts}")
    };
    let options = format!("{options} {carts} --duration 180s --warmup 0s");
    begin(loadtest(world, &options))
}

/// A load for a scene that needs none but for its picture.
pub fn load_for_picture(server: &Server, database_url: &str, redis_url: &str) -> Option<Child> {
    let options = "--clients 4 --mode purchase --duration 180s --warmup 0s";
    let load = || loadtest_of(server, &server.http, database_url, redis_url, options);
    are_pictured().then(|| begin(load()))
}

fn begin(loadtest: std::process::Command) -> Child {
    Command::from(loadtest)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

/// In a run that makes pictures, waits until the page has seen the scene for so long.
pub async fn settle(browser: &Browser, time: Duration) {
    if !are_pictured() {
        return;
    }
    let timeouts = TimeoutConfiguration::new(Some(time * 3), None, None);
    browser.client.update_timeouts(timeouts).await.unwrap();
    let script = format!(
        "const done = arguments[0];
         import('/ops/assets/figures.js').then(({{ figures }}) => {{
             const until = figures.at.at(-1) + {};
             const look = () => figures.at.at(-1) > until ? done(true) : setTimeout(look, 200);
             look();
         }})",
        time.as_secs()
    );
    browser
        .client
        .execute_async(&script, Vec::new())
        .await
        .unwrap();
}
