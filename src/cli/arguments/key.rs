//! What may be typed after `countersign key`.

use super::Config;
use clap::Subcommand;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Subcommand, Debug)]
pub(in crate::cli) enum Key {
    /// Make a key; its text is printed once, alone
    Create {
        #[command(flatten)]
        config: Config,
        /// Whom it acts for
        #[arg(long)]
        publisher: String,
        /// What it may be used for: create, read, verify, cancel, outcome, code, templates, events
        #[arg(long, value_delimiter = ',', required = true)]
        scopes: Vec<String>,
        /// What people call it
        #[arg(long, default_value = "")]
        label: String,
        /// How long it lives: 90d, 12h, 30m; at most 731d
        #[arg(long, value_name = "SPAN", default_value = "365d", value_parser = span)]
        expires: Duration,
        /// A network or address that it may come from; may be given again
        #[arg(long, value_name = "CIDR")]
        allow: Vec<String>,
        /// Write it to this new file, which only its owner may read, instead of printing it
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// List keys, also those that ended in the last 90 days
    List {
        #[command(flatten)]
        config: Config,
        /// Of this publisher only
        #[arg(long)]
        publisher: Option<String>,
    },
    /// End a key: at once on this node, within 5 seconds on others
    Revoke {
        #[command(flatten)]
        config: Config,
        /// Its id
        id: String,
    },
    /// Make another key with the same rights, and let the old one end after an overlap
    Rotate {
        #[command(flatten)]
        config: Config,
        /// The old one's id
        id: String,
        /// How long both may be used: 24h, 30m, 0s; at most 30d
        #[arg(long, value_name = "SPAN", default_value = "24h", value_parser = span)]
        overlap: Duration,
        /// How long the new one lives; at most 731d
        #[arg(long, value_name = "SPAN", default_value = "365d", value_parser = span)]
        expires: Duration,
        /// Write it to this new file, which only its owner may read, instead of printing it
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}

/// Reads `90d`, `24h`, `30m` or `45s`.
fn span(text: &str) -> Result<Duration, String> {
    let units = [('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];
    let read = units.iter().find_map(|(unit, seconds)| text.strip_suffix(*unit)?.parse::<u32>().ok().map(|it| u64::from(it) * seconds));
    match read {
        Some(seconds) => Ok(Duration::from_secs(seconds)),
        None if text == "never" => Err("every key ends; the longest life is 731d".to_owned()),
        None => Err("write a number and d, h, m or s, like 90d".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read() {
        let check = |text: &str, expected: Option<u64>| assert_eq!(span(text).ok().map(|it| it.as_secs()), expected, "{text}");
        check("90d", Some(7_776_000));
        check("24h", Some(86_400));
        check("30m", Some(1_800));
        check("0s", Some(0));
        for wrong in ["", "d", "90", "-1d", "1.5h", "never", "99999999999d", "1d1h"] {
            check(wrong, None);
        }
    }
}
