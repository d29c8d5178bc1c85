//! The sidecar: how far the hot store had come, so that a shorter one is recognised when it is opened.

use super::table::sync_dir;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;

const NAME: &str = "watermark";
const HEADING: &str = "countersign watermark 1";

/// How far the hot store had come, at least.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Watermark {
    /// Which root key the data is sealed under.
    pub(super) fingerprint: String,
    /// The last durable commit.
    pub(super) sequence: u64,
    /// Records then.
    pub(super) records: u64,
}

impl Watermark {
    /// The one in `dir`; `None` when there is none. A file that is not ours is an error: it proves nothing.
    pub(super) fn read(dir: &Path) -> io::Result<Option<Self>> {
        let mut text = String::new();
        match File::open(dir.join(NAME)) {
            Ok(file) => file.take(1024).read_to_string(&mut text)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mark = Self::parse(&text).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the watermark file is not readable"))?;
        Ok(Some(mark))
    }

    /// Puts it in place durably: a temporary file, renamed.
    pub(super) fn write(&self, dir: &Path) -> io::Result<()> {
        let fresh = dir.join("watermark.new");
        let body = self.body();
        let mut file = File::create(&fresh)?;
        file.write_all(format!("{body}crc32 {:08x}\n", crc32fast::hash(body.as_bytes())).as_bytes())?;
        file.sync_all()?;
        fs::rename(&fresh, dir.join(NAME))?;
        sync_dir(dir)
    }

    fn body(&self) -> String {
        format!("{HEADING}\nkey {}\nsequence {}\nrecords {}\n", self.fingerprint, self.sequence, self.records)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines().skip(1);
        let mut value = |name: &str| lines.next()?.strip_prefix(name)?.strip_prefix(' ').map(str::to_owned);
        let (fingerprint, sequence, records) = (value("key")?, value("sequence")?, value("records")?);
        let mark = Self { fingerprint, sequence: sequence.parse().ok()?, records: records.parse().ok()? };
        let body = mark.body();
        (text == format!("{body}crc32 {:08x}\n", crc32fast::hash(body.as_bytes()))).then_some(mark)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_as_written_and_any_change_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Watermark::read(dir.path()).unwrap(), None);
        let mark = Watermark { fingerprint: "ab12".into(), sequence: 7, records: 3 };
        mark.write(dir.path()).unwrap();
        assert_eq!(Watermark::read(dir.path()).unwrap(), Some(mark));
        let text = fs::read_to_string(dir.path().join(NAME)).unwrap();
        for changed in [text.replace("sequence 7", "sequence 6"), text[..text.len() - 2].to_owned(), String::new()] {
            fs::write(dir.path().join(NAME), changed).unwrap();
            assert!(Watermark::read(dir.path()).is_err());
        }
    }
}
