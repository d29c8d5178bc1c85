//! What can go wrong with keys.

/// Why a vault can't be had, or bytes can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The root file is missing, too short, or readable by others; the text says what to do.
    #[error("{0}")]
    Root(String),
    /// The bytes were not sealed here, were changed, or their data key is destroyed.
    #[error("the sealed bytes can't be opened")]
    Sealed,
}
