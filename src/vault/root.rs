//! The root file: 32 random bytes as hexadecimal digits, for the service's user alone (decision 3).

use super::error::VaultError;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use zeroize::Zeroizing;

// 64 digits and a line end; anything longer is not ours.
const LONGEST: u64 = 80;

/// Reads the root key at `path`.
pub(super) fn read(path: &Path) -> Result<Zeroizing<[u8; 32]>, VaultError> {
    let file = File::open(path).map_err(|error| {
        refuse(path, &format!("can't be read ({error}); make one with `countersign keys init`, or restore it from your key backup"))
    })?;
    let meta = file.metadata().map_err(|error| refuse(path, &format!("can't be examined ({error})")))?;
    if !meta.is_file() || meta.permissions().mode() & 0o077 != 0 {
        return Err(refuse(path, "must be a plain file that only its owner may read; run `chmod 600` on it"));
    }
    let mut text = Zeroizing::new(String::with_capacity(LONGEST as usize + 1));
    file.take(LONGEST + 1).read_to_string(&mut text).map_err(|error| refuse(path, &format!("can't be read ({error})")))?;
    let mut root = Zeroizing::new([0; 32]);
    hex::decode_to_slice(text.trim(), root.as_mut_slice())
        .map_err(|_| refuse(path, "must hold 64 hexadecimal digits and nothing else; restore it from your key backup"))?;
    Ok(root)
}

/// Makes a new root key at `path`, which must not exist.
pub(super) fn create(path: &Path) -> Result<Zeroizing<[u8; 32]>, VaultError> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(|error| {
        refuse(path, &format!("can't be made ({error}); an existing root file is never overwritten, since all stored data depends on it"))
    })?;
    let root = super::derive::secret();
    let text = Zeroizing::new(format!("{}\n", Zeroizing::new(hex::encode(root.as_slice())).as_str()));
    let folder = path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
    file.write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .and_then(|()| File::open(folder)?.sync_all())
        .map_err(|error| refuse(path, &format!("can't be written ({error})")))?;
    Ok(root)
}

fn refuse(path: &Path, why: &str) -> VaultError {
    VaultError::Root(format!("root file {}: {why}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::{create, read};
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_root_file_is_made_once_for_its_owner_and_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("root");
        let made = create(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(made, read(&path).unwrap());
        let before = fs::read(&path).unwrap();
        assert!(create(&path).unwrap_err().to_string().contains("never overwritten"));
        assert_eq!(before, fs::read(&path).unwrap());
    }

    #[test]
    fn what_is_no_root_file_is_refused_with_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("root");
        let refusal = || read(&path).expect_err("it is refused").to_string();
        assert!(refusal().contains("keys init"));
        for (content, mode, says) in [
            ("00".repeat(32), 0o640, "chmod 600"),
            ("00".repeat(32), 0o604, "chmod 600"),
            ("00".repeat(31), 0o600, "64 hexadecimal"),
            ("00".repeat(33), 0o600, "64 hexadecimal"),
            ("zz".repeat(32), 0o600, "64 hexadecimal"),
            (String::new(), 0o600, "64 hexadecimal"),
        ] {
            fs::write(&path, &content).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let said = refusal();
            assert!(said.contains(says), "{said}");
            assert!(content.is_empty() || !said.contains(&content));
        }
    }
}
