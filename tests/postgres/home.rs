//! Where the clusters of this process live, as whom they run, and who cleans up when the process can't.

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};

/// Ends the servers that are named (`+PID`, `-PID` when one is over) and removes the directory, as soon as nobody holds the other
/// end of the pipe any more: the kernel closes it however the test process ends.
const WATCHDOG: &str = r#"
pids=' '
while read -r sign pid; do
    case "$sign" in
        +) pids="$pids$pid " ;;
        -) pids="${pids%% "$pid" *} ${pids#* "$pid" }" ;;
    esac
done
for pid in $pids; do
    kill -STOP "$pid"
    children=$(grep -ls "^PPid:[[:space:]]$pid\$" /proc/[0-9]*/status | cut -d/ -f3)
    kill -KILL "$pid" $children
done 2>/dev/null
for try in 1 2 3 4 5; do rm -rf "$0" && exit; sleep 1; done
"#;

/// The one home of a test process.
pub struct Home {
    folder: PathBuf,
    programs: PathBuf,
    /// User and group of the servers, where they are not our own.
    user: Option<(u32, u32)>,
    watchdog: Mutex<Child>,
    folders: AtomicU32,
    template: OnceLock<PathBuf>,
}

impl Home {
    pub fn of_process() -> &'static Self {
        static HOME: OnceLock<Home> = OnceLock::new();
        HOME.get_or_init(Self::new)
    }

    fn new() -> Self {
        let programs = programs();
        let user = fs::metadata("/proc/self").is_ok_and(|it| std::os::unix::fs::MetadataExt::uid(&it) == 0).then(unprivileged);
        let folder = tempfile::Builder::new().prefix("countersign-postgres-").tempdir().unwrap().keep();
        give(&folder, user);
        // In a group of its own: Ctrl-C must not end it before the servers.
        let mut watchdog = Command::new("sh");
        watchdog.args([OsStr::new("-c"), OsStr::new(WATCHDOG), folder.as_os_str()]).process_group(0);
        let watchdog = watchdog.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        Self { folder, programs, user, watchdog: Mutex::new(watchdog), folders: AtomicU32::new(0), template: OnceLock::new() }
    }

    /// A program of PostgreSQL, to be run as the servers' user.
    pub fn command(&self, program: &str) -> Command {
        self.as_user(Command::new(self.programs.join(program)))
    }

    /// Starts a server that the watchdog knows of.
    pub fn spawn(&self, command: &mut Command) -> Child {
        let child = command.process_group(0).spawn().unwrap();
        self.tell('+', child.id());
        child
    }

    /// A server is over: its number may soon be another's.
    pub fn forget(&self, pid: u32) {
        self.tell('-', pid);
    }

    fn tell(&self, sign: char, pid: u32) {
        let mut watchdog = self.watchdog.lock().unwrap();
        writeln!(watchdog.stdin.as_mut().unwrap(), "{sign} {pid}").expect("the watchdog lives as long as we");
    }

    /// A new directory that is the servers'.
    pub fn new_folder(&self) -> PathBuf {
        let folder = self.folder.join(self.folders.fetch_add(1, Ordering::Relaxed).to_string());
        fs::create_dir(&folder).unwrap();
        give(&folder, self.user);
        folder
    }

    /// The data of a new cluster; made once.
    pub fn template(&self, make: impl FnOnce(&Self, &Path)) -> &Path {
        self.template.get_or_init(|| {
            let data = self.new_folder().join("data");
            make(self, &data);
            data
        })
    }

    pub fn copy(&self, from: &Path, to: &Path) {
        done(self.as_user(Command::new("cp")).arg("-a").arg(from).arg(to));
    }

    /// Writes a file that only the servers may read.
    pub fn replace(&self, path: &Path, text: &str) {
        fs::write(path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
        give(path, self.user);
    }

    /// A file that only we may read.
    pub fn secret(&self, name: &str, text: &str) -> PathBuf {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let path = self.folder.join(name);
        // Tests ask for the same at the same time: whoever reads it sees it whole.
        let made = self.folder.join(format!("{name}.{}", COUNT.fetch_add(1, Ordering::Relaxed)));
        fs::write(&made, text).unwrap();
        fs::set_permissions(&made, fs::Permissions::from_mode(0o600)).unwrap();
        fs::rename(&made, &path).unwrap();
        path
    }

    pub fn append(&self, path: &Path, text: &str) {
        fs::File::options().append(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
    }

    fn as_user(&self, mut command: Command) -> Command {
        if let Some((user, group)) = self.user {
            command.uid(user).gid(group);
        }
        command.env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C").current_dir(&self.folder);
        command
    }
}

/// Runs a command that must succeed; what it printed.
pub fn done(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Runs a command that must succeed, with this as its input.
pub fn told(command: &mut Command, input: &str) {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !errors.contains("ERROR"), "{command:?}: {errors}");
}

/// The programs of the newest PostgreSQL that Debian has installed.
fn programs() -> PathBuf {
    let installed = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().map(|it| it.unwrap());
    let versions = installed.filter_map(|it| Some((it.file_name().to_str()?.parse::<u32>().ok()?, it.path().join("bin"))));
    let newest = versions.filter(|(_, bin)| bin.join("initdb").exists() && bin.join("psql").exists()).max();
    newest.expect("PostgreSQL's server is not installed below /usr/lib/postgresql: run `.ci/setup tests`").1
}

/// The user that Debian's package makes for servers, or the one that may do nothing.
fn unprivileged() -> (u32, u32) {
    let users = fs::read_to_string("/etc/passwd").unwrap();
    let numbers = |name: &str| {
        let fields: Vec<_> = users.lines().find(|it| it.split(':').next() == Some(name))?.split(':').collect();
        Some((fields.get(2)?.parse().ok()?, fields.get(3)?.parse().ok()?))
    };
    numbers("postgres").or_else(|| numbers("nobody")).expect("root needs the user postgres or nobody to run servers as")
}

fn give(path: &Path, user: Option<(u32, u32)>) {
    if let Some((user, group)) = user {
        chown(path, Some(user), Some(group)).unwrap();
    }
}
