//! The secret of a data directory: random, made once, for tokens of whoever may read it.

use std::{
    io::Write,
    os::unix::fs::{MetadataExt, PermissionsExt},
};

use nix::fcntl::OFlag;
use secrecy::SecretString;

use super::{Error, account::Account, data_dir::DataDir, directory, open_directory::OpenDirectory};

const FILE_NAME: &str = "secret";
const NEW_FILE_NAME: &str = "secret.new";
const BYTES_MIN: usize = 32;

/// The secret of a data directory that is there, whether or not somebody is using it.
///
/// # Errors
/// There is no such directory, nothing was ever started in it, or it is not ours.
pub fn token_secret_in(data_dir: &DataDir) -> Result<SecretString, Error> {
    let account = Account::for_services()?;
    let found = directory::find(data_dir, &account)?;
    let secret = found.map(|directory| read(&directory, &account));
    secret
        .transpose()?
        .flatten()
        .ok_or_else(|| Error::NoSecret {
            directory: data_dir.to_string(),
        })
}

/// The secret of a directory that we hold the lock of, made if it is not there.
pub(super) fn keep(directory: &OpenDirectory, account: &Account) -> Result<SecretString, Error> {
    if let Some(secret) = read(directory, account)? {
        return Ok(secret);
    }
    let secret = random();
    if directory.has(NEW_FILE_NAME)? {
        // What a crash has left; nobody reads it.
        directory.remove_file(NEW_FILE_NAME)?;
    }
    let path = directory.path().join(NEW_FILE_NAME);
    let mut file = directory.new_file(NEW_FILE_NAME, OFlag::O_WRONLY, 0o600)?;
    file.write_all(format!("{secret}\n").as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(Error::io("write", &path))?;
    // Nobody ever sees half of it.
    directory.rename(NEW_FILE_NAME, FILE_NAME)?;
    Ok(secret.into())
}

fn read(directory: &OpenDirectory, account: &Account) -> Result<Option<SecretString>, Error> {
    let Some(file) = directory.existing_file(FILE_NAME, OFlag::O_RDONLY)? else {
        return Ok(None);
    };
    let path = directory.path().join(FILE_NAME);
    let metadata = file.metadata().map_err(Error::io("look at", &path))?;
    if !account.is_us(&metadata) {
        let owner = metadata.uid();
        return Err(Error::SomebodyElses { path, owner });
    }
    let is_open = metadata.permissions().mode() & 0o077 != 0;
    let text = directory.read(FILE_NAME, 1024)?.unwrap_or_default();
    let secret = text.trim();
    if is_open || secret.len() < BYTES_MIN {
        return Err(Error::BadSecret { path });
    }
    Ok(Some(secret.into()))
}

fn random() -> String {
    let half = || rand::random::<u128>();
    format!("{:032x}{:032x}", half(), half())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn a_secret_is_made_once_and_for_us_alone() {
        let dir = tempfile::tempdir().unwrap();
        let directory = OpenDirectory::open(dir.path()).unwrap();
        let account = Account::for_services().unwrap();
        let first = keep(&directory, &account).unwrap();
        let again = keep(&directory, &account).unwrap();
        assert_eq!(first.expose_secret(), again.expose_secret());
        assert_eq!(first.expose_secret().len(), 64);
        let file = dir.path().join("secret");
        let mode = fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);

        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        let refused = keep(&directory, &account).unwrap_err();
        assert!(refused.to_string().contains("chmod 600"), "{refused}");
    }

    #[test]
    fn two_directories_have_two_secrets() {
        let account = Account::for_services().unwrap();
        let secret = || {
            let dir = tempfile::tempdir().unwrap();
            let directory = OpenDirectory::open(dir.path()).unwrap();
            keep(&directory, &account).unwrap()
        };
        assert_ne!(secret().expose_secret(), secret().expose_secret());
    }
}
