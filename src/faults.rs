//! Named places where a test can stop the process, to kill it there. Only with the feature
//! `faults`; a release build has none of this.
//!
//! `SPLITCART_FAULT=<place>:<file>` makes the first task that comes to the place create the file
//! and wait there for ever: the test sees the file, looks at the database and kills the process.

/// Waits here for ever if a test has named this place.
#[cfg(feature = "faults")]
pub async fn place(name: &str) {
    use std::sync::LazyLock;

    static CHOSEN: LazyLock<Option<(String, String)>> = LazyLock::new(|| {
        let chosen = std::env::var("SPLITCART_FAULT").ok()?;
        let (place, file) = chosen.split_once(':')?;
        Some((place.to_owned(), file.to_owned()))
    });
    if let Some((_, file)) = CHOSEN.as_ref().filter(|(place, _)| place == name) {
        std::fs::write(file, name).expect("the test chose a writable file");
        std::future::pending::<()>().await;
    }
}

/// Nothing, in a build without the feature.
#[cfg(not(feature = "faults"))]
#[expect(
    clippy::unused_async,
    reason = "the same signature as with the feature"
)]
pub async fn place(_name: &str) {}
