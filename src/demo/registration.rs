//! What the demonstration registers: the demo bank with the alerts and recipients of the published use cases.

use std::path::PathBuf;

/// The registration files of the demonstration, for [`crate::registration::read`]. They are part of the program.
pub fn files() -> Vec<(PathBuf, String)> {
    let file = |name: &str, text: &str| (PathBuf::from("demo").join(name), text.to_owned());
    vec![
        file("publisher.toml", include_str!("../../fixtures/registration/demo/publisher.toml")),
        file("library.toml", include_str!("../../fixtures/registration/demo/library.toml")),
        file("recipients.toml", include_str!("../../fixtures/registration/demo/recipients.toml")),
    ]
}
