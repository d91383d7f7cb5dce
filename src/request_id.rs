//! The id of the request that is being worked on, for whoever has something to say about it in the log.
//!
//! It is known to everything that runs in the request's task, and handed on where its work goes on in
//! another one.

use std::sync::Arc;

/// The client's own, or one of ours. Cloning shares it.
pub type RequestId = Arc<str>;

tokio::task_local! {
    static CURRENT: Option<RequestId>;
}

/// Of the present task, if it works on a request.
pub fn current() -> Option<RequestId> {
    CURRENT.try_with(Clone::clone).ok().flatten()
}

/// Does some work for a request.
pub async fn scope<F: Future>(id: Option<RequestId>, work: F) -> F::Output {
    CURRENT.scope(id, work).await
}

/// The ids of some requests, for a line about all of them: a few, and how many more there are.
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
    fn a_few_are_listed() {
        assert_eq!(list([Some("a"), None, Some("b")]), "a b");
        assert!(list([Some("x"); 20]).ends_with("x and 4 more"));
    }
}
