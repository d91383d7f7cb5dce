//! Fault injection: named places where a test can halt the process, to kill it there. Only with the feature
//! `faults`; a release build has none of it.
//!
//! `SPLITCART_FAULT=<place>:<file>` makes the first task that reaches the place create the file and wait
//! there forever, and lets all other tasks pass: the test sees the file, looks at the database and kills
//! the process, or sees how the rest goes on. `<place>!` panics instead of waiting; `<place>?` waits only
//! until the test removes the file.

/// Waits here forever if a test has named this place and this is the first task to reach it.
#[cfg(feature = "faults")]
pub async fn place(name: &str) {
    use std::{
        fs::OpenOptions,
        io::Write,
        path::Path,
        sync::{
            LazyLock,
            atomic::{AtomicBool, Ordering},
        },
        time::Duration,
    };

    /// True after the test let the first task go on: its file is gone, and must not stop another task.
    static PASSED: AtomicBool = AtomicBool::new(false);
    static CHOSEN: LazyLock<Option<(String, String)>> = LazyLock::new(|| {
        let chosen = std::env::var("SPLITCART_FAULT").ok()?;
        let (place, file) = chosen.split_once(':')?;
        Some((place.to_owned(), file.to_owned()))
    });
    let chosen = CHOSEN
        .as_ref()
        .filter(|(place, _)| place.trim_end_matches(['!', '?']) == name);
    if let Some((place, path)) = chosen
        && !PASSED.load(Ordering::SeqCst)
    {
        let first = OpenOptions::new().write(true).create_new(true).open(path);
        if let Ok(mut file) = first {
            file.write_all(name.as_bytes())
                .expect("the test chose a writable file");
            assert!(!place.ends_with('!'), "the test asked for a panic here");
            while !place.ends_with('?') || Path::new(path).exists() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            PASSED.store(true, Ordering::SeqCst);
        }
    }
}

/// Does nothing in a build without the feature.
#[cfg(not(feature = "faults"))]
#[expect(
    clippy::unused_async,
    reason = "the same signature as with the feature"
)]
pub async fn place(_name: &str) {}
