//! Files that only their owner may read: passwords and private keys.

use super::settings::Unusable;
use crate::domain::code::Secret;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use zeroize::Zeroizing;

/// Most bytes that a password file may have.
const LONGEST: u64 = 8 * 1024;

/// Reads a password that only its owner may read: UTF-8, at most 8 KiB, without the line end that editors add.
pub(super) fn password(path: &Path) -> Result<Secret, Unusable> {
    let mut text = Zeroizing::new(String::new());
    let refuse = |why: &str| Unusable(format!("the password file {}: {why}", path.display()));
    open(path)?.take(LONGEST + 1).read_to_string(&mut text).map_err(|error| refuse(&format!("can't be read ({error})")))?;
    if text.len() as u64 > LONGEST {
        return Err(refuse("is too large: is it the right file?"));
    }
    match text.trim_end_matches(['\r', '\n']) {
        "" => Err(refuse("is empty: write the password into it")),
        secret => Ok(Secret::new(secret)),
    }
}

/// Opens a file that only its owner may read.
pub(super) fn open(path: &Path) -> Result<std::fs::File, Unusable> {
    let shown = path.display();
    let file = std::fs::File::open(path).map_err(|error| Unusable(format!("can't read {shown}: {error}")))?;
    let meta = file.metadata().map_err(|error| Unusable(format!("can't examine {shown}: {error}")))?;
    match meta.is_file() && meta.permissions().mode() & 0o077 == 0 {
        true => Ok(file),
        false => Err(Unusable(format!("{shown} must be a plain file that only its owner may read; run `chmod 600` on it"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{Permissions, set_permissions, write};

    #[test]
    fn a_password_is_only_its_owners_and_shown_by_nobody() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let check = |content: &str, mode: u32, expected: Result<&str, &str>| {
            write(file.path(), content).unwrap();
            set_permissions(file.path(), Permissions::from_mode(mode)).unwrap();
            match (password(file.path()), expected) {
                (Ok(secret), Ok(expected)) => assert_eq!(secret.expose(), expected),
                (Err(error), Err(part)) => assert!(error.0.contains(part) && !error.0.contains("s3cret"), "{error}"),
                (found, expected) => panic!("{found:?}, not {expected:?}"),
            }
        };
        check("s3cret\n", 0o600, Ok("s3cret"));
        check(" s3 cret \r\n", 0o400, Ok(" s3 cret "));
        check("s3cret", 0o640, Err("chmod 600"));
        check("s3cret", 0o604, Err("chmod 600"));
        check("\n", 0o600, Err("is empty"));
        check(&"s3cret".repeat(2000), 0o600, Err("too large"));
        assert!(password(Path::new("/")).unwrap_err().0.contains("plain file"));
        assert!(password(Path::new("no/such/file")).unwrap_err().0.contains("can't read no/such/file"));
    }
}
