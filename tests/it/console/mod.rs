//! The live console: in a browser, and what the browser is sent.
//!
//! With `CONSOLE_PICTURES=DIR` the tests write pictures of what they look at (`scripts/console-pictures`).

mod browser;
mod faults;
mod figures;
mod last_audit;
mod many_actors;
mod page;
mod scenes;
mod terminal;

use crate::support::{Server, wait};

use self::browser::Browser;

/// Opens the console and waits for the first moment.
async fn open(browser: &Browser, server: &Server) {
    let url = format!("{}/ops", server.ops);
    browser.client.goto(&url).await.unwrap();
    wait::until("the console shows a moment", async || {
        !browser
            .value("document.body.dataset.shownAt ?? null")
            .await
            .is_null()
    })
    .await;
}

/// Waits until the text of an element satisfies a condition.
async fn until_text(browser: &Browser, id: &str, condition: impl Fn(&str) -> bool) {
    wait::until(&format!("#{id} changes"), async || {
        condition(&browser.text(id).await)
    })
    .await;
}
