//! The rule for a file with refused rows.

/// The effect of refused rows on the rest of their file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The file is imported only if none of its rows is refused.
    Whole,
    /// The accepted rows are imported.
    KeepGoing,
    /// Nothing is imported: the caller rolls back after all files, so that later files see the rows of
    /// earlier ones.
    DryRun,
}
