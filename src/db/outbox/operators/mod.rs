//! What operators ask about events, and do with them: `splitcart outbox`.

mod dead;
mod find;
mod list;
mod republish;
mod status;

pub use dead::{Scope, discard, retry};
pub use find::{EventDetail, SinkProgress, find};
pub use list::{ListedEvent, State, list};
pub use republish::{Range, Selection, read_published, select_published};
pub use status::{SinkStatus, count_dead_letters, forget, status};
