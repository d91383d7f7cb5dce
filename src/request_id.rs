//! The id of the current request, for log lines.
//!
//! Everything that runs in the request's task can read it. Where the work goes on in another task the id
//! must be passed on.

use std::sync::Arc;

/// The client's `X-Request-Id`, or a generated one.
pub type RequestId = Arc<str>;

tokio::task_local! {
    static CURRENT: Option<RequestId>;
}

/// Returns the id of the current task's request, if it works on one.
pub fn current() -> Option<RequestId> {
    CURRENT.try_with(Clone::clone).ok().flatten()
}

/// Runs work as part of a request.
pub async fn scope<F: Future>(id: Option<RequestId>, work: F) -> F::Output {
    CURRENT.scope(id, work).await
}

/// Lists the ids of several requests in a log line about all of them: some, and the number of the others.
pub fn list<'a>(ids: impl IntoIterator<Item = Option<&'a str>>) -> String {
    const NAMED_MAX: usize = 16;
    let ids: Vec<_> = ids.into_iter().flatten().collect();
    let named = ids.iter().take(NAMED_MAX).copied().collect::<Vec<_>>();
    match ids.len().saturating_sub(NAMED_MAX) {
        0 => named.join(" "),
        more => format!("{} and {more} more", named.join(" ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_knows_its_request_and_no_other_does() {
        let inside = scope(Some("a".into()), async { current() });
        assert_eq!(inside.await.as_deref(), Some("a"));
        assert_eq!(current(), None);
    }

    #[test]
    fn some_ids_are_listed_and_the_others_are_counted() {
        assert_eq!(list([Some("a"), None, Some("b")]), "a b");
        assert!(list([Some("x"); 20]).ends_with("x and 4 more"));
    }
}
