//! The owners of data directories, and links in them that lead elsewhere.

use std::{
    io::{self, Write},
    os::unix::fs::{MetadataExt, PermissionsExt, chown, lchown, symlink},
};

use nix::unistd::geteuid;

use super::{find_or_create::Link, *};

fn open(path: &Path) -> Result<Directory, Error> {
    Directory::open(
        &DataDir::Explicit(path.to_owned()),
        Account::for_services()?,
    )
}

fn reachable_tempdir() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    directory
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777
}

fn owner(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().uid()
}

const STRANGER: u32 = 54_321;

/// The services' user where the tests run as root. Otherwise prints the name of the test that is not tried,
/// past the capture of a test's output.
fn other_user(test: &str) -> Option<(u32, u32)> {
    if !geteuid().is_root() {
        let _ = writeln!(io::stderr(), "{test}: NOT TRIED, it needs root");
        return None;
    }
    let user = nix::unistd::User::from_name("postgres").unwrap().unwrap();
    Some((user.uid.as_raw(), user.gid.as_raw()))
}

/// A directory as earlier versions had it: all of it belongs to the services' user.
fn earlier_layout(root: &TempDir, (uid, gid): (u32, u32)) -> PathBuf {
    let path = root.path().join("data");
    fs::create_dir(&path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
    fs::write(path.join("lock"), "7\n").unwrap();
    fs::write(path.join("postgres.log"), "of before").unwrap();
    for given in ["run", "redis"] {
        fs::create_dir(path.join(given)).unwrap();
        chown(path.join(given), Some(uid), Some(gid)).unwrap();
    }
    chown(&path, Some(uid), Some(gid)).unwrap();
    path
}

#[test]
fn a_new_directory_is_ours_and_can_be_opened_again() {
    let root = reachable_tempdir();
    let path = root.path().join("a/b");
    drop(open(&path).unwrap());
    assert_eq!(owner(&path), geteuid().as_raw());
    let passable = if geteuid().is_root() { 0o711 } else { 0o700 };
    assert_eq!(mode(&path), passable);
    assert_eq!(mode(&path.join("lock")), 0o600);
    open(&path).unwrap();
}

#[test]
fn a_directory_with_other_files_is_refused_and_left_alone() {
    let root = reachable_tempdir();
    fs::write(root.path().join("thesis.txt"), "mine").unwrap();
    assert!(matches!(open(root.path()), Err(Error::NotOurs { .. })));
    assert_eq!(mode(root.path()), 0o755);
}

#[test]
fn a_temporary_directory_is_removed_when_dropped() {
    let account = Account::for_services().unwrap();
    let directory = Directory::open(&DataDir::Temporary, account).unwrap();
    let path = directory.path().to_owned();
    assert!(path.is_dir());
    drop(directory);
    assert!(!path.exists());
}

#[test]
fn a_path_that_is_no_good_for_a_socket_gets_a_short_private_one() {
    let root = reachable_tempdir();
    let comma = open(&root.path().join("a,b"))
        .unwrap()
        .socket_directory("redis.sock")
        .unwrap();
    assert!(!comma.path().starts_with(root.path()));
    let directory = open(&root.path().join("d".repeat(120))).unwrap();
    let sockets = directory.socket_directory("redis.sock").unwrap();
    assert!(sockets.path().join("redis.sock").as_os_str().len() <= SOCKET_PATH_BYTES_MAX);
    assert_eq!(mode(sockets.path()), 0o700);
}

/// Puts something that leads to the first path in the place of the second.
type Plant = fn(&Path, &Path);

/// A cloned repository: the directory is ours, and the link in it is not.
#[test]
fn a_lock_that_is_planted_is_refused_and_what_it_leads_to_is_left_alone() {
    let root = reachable_tempdir();
    let target = root.path().join("target");
    fs::write(&target, "precious").unwrap();
    let plants: [(&str, Plant); 4] = [
        ("link", |target, lock| symlink(target, lock).unwrap()),
        ("dangling", |target, lock| {
            symlink(target.with_extension("new"), lock).unwrap();
        }),
        ("hard-link", |target, lock| {
            fs::hard_link(target, lock).unwrap();
        }),
        ("pipe", |_, lock| {
            nix::unistd::mkfifo(lock, nix::sys::stat::Mode::S_IRWXU).unwrap();
        }),
    ];
    for (name, plant) in plants {
        let path = root.path().join(name);
        fs::create_dir(&path).unwrap();
        plant(&target, &path.join("lock"));
        let error = open(&path).unwrap_err();
        assert!(matches!(error, Error::Planted { .. }), "{name}: {error}");
        assert!(error.to_string().contains("is left alone"), "{error}");
    }
    assert_eq!(fs::read_to_string(&target).unwrap(), "precious");
    assert!(!target.with_extension("new").exists());
}

#[test]
fn a_link_in_place_of_a_log_is_put_aside_and_not_written_through() {
    let root = reachable_tempdir();
    let path = root.path().join("data");
    let directory = open(&path).unwrap();
    for (name, target) in [("postgres.log", "there"), ("redis.log", "not-there")] {
        let target = root.path().join(target);
        if name == "postgres.log" {
            fs::write(&target, "precious").unwrap();
        }
        symlink(&target, path.join(name)).unwrap();
        let mut log = directory.new_log(name).unwrap();
        log.file.write_all(b"a line").unwrap();
        assert!(fs::symlink_metadata(path.join(name)).unwrap().is_file());
        // Where the link has gone, the next one goes, too.
        directory.new_log(name).unwrap();
    }
    assert_eq!(
        fs::read_to_string(root.path().join("there")).unwrap(),
        "precious"
    );
    assert!(!root.path().join("not-there").exists());
}

#[test]
fn a_link_in_place_of_a_directory_that_is_given_away_is_refused() {
    let root = reachable_tempdir();
    let (path, target) = (root.path().join("data"), root.path().join("target"));
    fs::create_dir(&target).unwrap();
    fs::set_permissions(&target, fs::Permissions::from_mode(0o755)).unwrap();
    let directory = open(&path).unwrap();
    for name in ["run", "redis", "postgres", "postgres.new"] {
        symlink(&target, path.join(name)).unwrap();
        let error = directory.subdirectory(name).unwrap_err();
        assert!(matches!(error, Error::Planted { .. }), "{name}: {error}");
        let error = directory.opened().existing_subdirectory(name).unwrap_err();
        assert!(matches!(error, Error::Planted { .. }), "{name}: {error}");
    }
    assert_eq!((mode(&target), owner(&target)), (0o755, geteuid().as_raw()));
}

#[test]
fn a_link_in_place_of_the_secret_is_refused() {
    let root = reachable_tempdir();
    let (path, target) = (root.path().join("data"), root.path().join("target"));
    fs::write(&target, "x".repeat(64)).unwrap();
    fs::set_permissions(&target, fs::Permissions::from_mode(0o600)).unwrap();
    let directory = open(&path).unwrap();
    symlink(&target, path.join("secret")).unwrap();
    let error = super::super::secret::keep(directory.opened(), directory.account()).unwrap_err();
    assert!(matches!(error, Error::Planted { .. }), "{error}");
}

/// `.splitcart` below the working directory may have come with that; what somebody has named is followed.
#[test]
fn a_default_directory_that_is_a_link_is_refused() {
    let root = reachable_tempdir();
    let (target, link) = (root.path().join("target"), root.path().join("link"));
    fs::create_dir(&target).unwrap();
    symlink(&target, &link).unwrap();
    let account = Account::for_services().unwrap();
    let error = find_or_create::create(&link, Link::Refused, &account).unwrap_err();
    assert!(matches!(error, Error::Planted { .. }), "{error}");
    assert!(fs::read_dir(&target).unwrap().next().is_none());
    let named = open(&link).unwrap();
    assert_eq!(named.path(), fs::canonicalize(&target).unwrap());
}

#[test]
fn only_what_is_below_belongs_to_the_services() {
    let Some((uid, _)) = other_user("only_what_is_below_belongs_to_the_services") else {
        return;
    };
    let root = reachable_tempdir();
    let path = root.path().join("data");
    let directory = open(&path).unwrap();
    directory.new_log("redis.log").unwrap();
    for (name, whose) in [("lock", 0), ("redis.log", 0), ("run", uid), ("redis", uid)] {
        if whose == uid {
            directory.subdirectory(name).unwrap();
            assert_eq!(mode(&path.join(name)), 0o700);
        }
        assert_eq!(owner(&path.join(name)), whose, "{name}");
    }
    assert_eq!((owner(&path), mode(&path)), (0, 0o711));
}

#[test]
fn a_directory_of_an_earlier_version_is_taken_over() {
    let Some(user) = other_user("a_directory_of_an_earlier_version_is_taken_over") else {
        return;
    };
    let root = reachable_tempdir();
    let path = earlier_layout(&root, user);
    let directory = open(&path).unwrap();
    assert_eq!((owner(&path), mode(&path)), (0, 0o711));
    assert_eq!(owner(&directory.subdirectory("run").unwrap()), user.0);
    directory.new_log("postgres.log").unwrap();
    let before = fs::read_to_string(path.join("postgres.log.before")).unwrap();
    assert_eq!(before, "of before");
}

/// The attempts of the services' user to become root through a directory of an earlier version.
#[test]
fn root_follows_nothing_that_the_services_user_has_planted() {
    let Some(user) = other_user("root_follows_nothing_that_the_services_user_has_planted") else {
        return;
    };
    for name in ["lock", "run", "postgres.log", "secret"] {
        let root = reachable_tempdir();
        let path = earlier_layout(&root, user);
        let target = root.path().join("target");
        if name == "run" {
            fs::create_dir(&target).unwrap();
            fs::set_permissions(&target, fs::Permissions::from_mode(0o755)).unwrap();
            fs::remove_dir(path.join(name)).unwrap();
        } else {
            fs::write(&target, "root:x".repeat(20)).unwrap();
            let _ = fs::remove_file(path.join(name));
        }
        let before = (owner(&target), mode(&target), fs::read(&target).ok());
        symlink(&target, path.join(name)).unwrap();
        lchown(path.join(name), Some(user.0), Some(user.1)).unwrap();

        let opened = open(&path);
        let outcome = match (name, opened) {
            ("lock", opened) => opened.map(drop),
            ("run", opened) => opened.unwrap().socket_directory("x").map(drop),
            ("secret", opened) => {
                let it = opened.unwrap();
                super::super::secret::keep(it.opened(), it.account()).map(drop)
            }
            (_, opened) => opened.unwrap().new_log(name).map(drop),
        };

        assert_eq!(outcome.is_err(), name != "postgres.log", "{name}");
        let after = (owner(&target), mode(&target), fs::read(&target).ok());
        assert_eq!(before, after, "{name}");
    }
}

#[test]
fn a_directory_or_a_lock_of_somebody_else_is_refused() {
    let Some((uid, gid)) = other_user("a_directory_or_a_lock_of_somebody_else_is_refused") else {
        return;
    };
    let root = reachable_tempdir();
    // Even an empty one.
    let path = root.path().join("theirs");
    fs::create_dir(&path).unwrap();
    chown(&path, Some(STRANGER), None).unwrap();
    let error = open(&path).unwrap_err();
    assert!(
        matches!(
            error,
            Error::SomebodyElses {
                owner: STRANGER,
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(owner(&path), STRANGER);

    let path = root.path().join("ours");
    fs::create_dir(&path).unwrap();
    for whose in [STRANGER, uid] {
        let lock = path.join("lock");
        fs::write(&lock, "1").unwrap();
        chown(&lock, Some(whose), Some(gid)).unwrap();
        let error = open(&path).unwrap_err();
        assert!(matches!(error, Error::SomebodyElses { .. }), "{error}");
        assert_eq!(fs::read_to_string(&lock).unwrap(), "1");
    }
}

/// Somebody may make directories in `/tmp` that look like ours.
#[test]
fn a_planted_temporary_directory_is_not_taken_over() {
    let base = find_or_create::temporary_base(&Account::for_services().unwrap());
    let planted = tempfile::Builder::new()
        .prefix(TEMPORARY_PREFIX)
        .tempdir_in(&base)
        .unwrap();
    let target = planted.path().join("target");
    fs::write(&target, "precious").unwrap();
    let mark = File::create(planted.path().join(TEMPORARY_MARK)).unwrap();
    mark.set_modified(std::time::UNIX_EPOCH).unwrap();
    symlink(&target, planted.path().join("lock")).unwrap();
    let account = Account::for_services().unwrap();

    let found = Directory::take_over(planted.path(), &account);

    assert!(matches!(found, Err(Error::Planted { .. })));
    assert_eq!(fs::read_to_string(&target).unwrap(), "precious");
}
