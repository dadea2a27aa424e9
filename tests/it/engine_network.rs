//! What an environment's network reaches.
//!
//! The test runs itself again in a network namespace that has nothing but loopback, where every address of the
//! world leads to a listener of the test. So real addresses are tried, and no packet can leave the machine.

use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener, UdpSocket};
use std::time::Duration;

use hoist::engine::{Engine, Exit, Kind, Settings, Spec};

use super::engine::{Fixture, settings, sh, spec};
use super::harness::{Docker, run_again_in};

const PORT: u16 = 8080;

/// Set for the run inside the namespace.
const INSIDE: &str = "HOIST_TEST_INSIDE_NAMESPACE";

/// An address of the test's host itself, in a network that is reachable otherwise.
const OWN_ADDRESS: &str = "198.51.100.7";

/// The last are IPv6: a cloud's metadata, a neighbour, a network that is not private, and metadata once more.
const CLOSED: [&str; 18] = [
    "0.1.2.3",
    "10.0.0.1",
    "10.0.2.2",
    "100.64.0.1",
    "127.0.0.1",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.254",
    "192.0.0.1",
    "192.168.1.1",
    "198.18.0.1",
    OWN_ADDRESS,
    "240.0.0.1",
    "255.255.255.255",
    "fd00:ec2::254",
    "fe80::1",
    "2001:db8::1",
    "::ffff:169.254.169.254",
];

/// The last is in a private network that the settings allow.
const OPEN: [&str; 4] = ["192.0.2.9", "198.51.100.8", "203.0.113.9", "10.9.1.1"];

/// Leads every address of IPv6 to the test's host as well, where the kernel has it.
const WORLD_OF_IPV6: &str = "{ ip -6 route add local default dev lo table main || true; }";

#[tokio::test]
async fn only_public_addresses_are_reached() {
    if inside() {
        return reach(Kind::Sandbox, Ipv4Addr::UNSPECIFIED, &[]).await;
    }
    // To the port of names every user may be bound here.
    let script = format!(
        "ip link set lo up && ip route add local default dev lo && ip address add {OWN_ADDRESS}/32 dev lo && {WORLD_OF_IPV6} && \
         echo 0 > /proc/sys/net/ipv4/ip_unprivileged_port_start"
    );
    run_again_in("--net", &script, "engine_network::only_public_addresses_are_reached", INSIDE);
}

/// The host's name server, in the Docker Engine's test.
const NAME_SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 53);

/// The addresses that this host has in the first networks that a Docker Engine makes, and of a name server what is no
/// question for a name.
const CLOSED_TO_CONTAINERS: [&str; 3] = ["172.17.0.1", "172.18.0.1", "10.0.0.53"];

#[tokio::test]
async fn only_public_addresses_are_reached_from_a_container() {
    if inside() {
        // An Engine in this namespace.
        let kind = Kind::Docker(Docker::get().unwrap().engine());
        return reach(kind, NAME_SERVER, &CLOSED_TO_CONTAINERS).await;
    }
    if !Docker::can_be_had() {
        return;
    }
    // The Engine's own networks come first.
    let script = format!(
        "ip link set lo up && ip route add local default dev lo table main && ip address add {OWN_ADDRESS}/32 dev lo && \
         ip address add {NAME_SERVER}/32 dev lo && {WORLD_OF_IPV6} && mount -t tmpfs none /mnt && \
         echo nameserver {NAME_SERVER} > /mnt/resolv.conf && mount --bind /mnt/resolv.conf /etc/resolv.conf"
    );
    run_again_in("-nm", &script, "engine_network::only_public_addresses_are_reached_from_a_container", INSIDE);
}

/// The test proper, in its namespace.
async fn reach(kind: Kind, name_server: Ipv4Addr, more_closed: &[&str]) {
    // Takes connections of both kinds.
    let listener = TcpListener::bind((Ipv6Addr::UNSPECIFIED, PORT));
    let listener = listener.or_else(|_| TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT))).unwrap();
    let datagrams = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, PORT)).unwrap();
    std::thread::spawn(move || listener.incoming().for_each(|stream| drop(stream.unwrap().write_all(b"reached\n"))));
    let resolver = UdpSocket::bind((name_server, 53)).unwrap();
    std::thread::spawn(move || answer_names(&resolver));

    let work_dir = tempfile::tempdir().unwrap();
    let allow_networks = vec![(IpAddr::from([10, 9, 0, 0]), 16)];
    let engine = Engine::open(Settings { allow_networks, ..settings(kind.clone(), work_dir.path()) }).await.unwrap();
    let environment = engine.start(Spec { network: true, ..spec() }).await.unwrap();
    let fixture = Fixture { kind, engine, environment, work_dir };

    let addresses = [&CLOSED[..], more_closed, &OPEN].concat().join(" ");
    let script =
        format!("for to in {addresses}; do echo $to $(timeout 5 bash -c 'cat < /dev/tcp/'$to/{PORT} 2> /dev/null); done");
    let mut attempts = sh(&script);
    attempts.needs_network = true;
    let closed = CLOSED.iter().chain(more_closed).map(|address| format!("{address}\n"));
    let open = OPEN.iter().map(|address| format!("{address} reached\n"));
    assert_eq!(fixture.run(attempts).await, (Exit::Code(0), closed.chain(open).collect()));
    fixture.sh(&format!("bash -c 'for to in {addresses}; do echo $to > /dev/udp/$to/{PORT}; done' 2> /dev/null")).await;
    assert_eq!(datagrams_of(&datagrams), OPEN);
    let (_, names) = fixture.sh("getent ahostsv4 app.test | head -n 1").await;
    assert_eq!(names.split_whitespace().next(), Some("203.0.113.9"));
    assert_eq!(from_another_environment(&fixture).await, "");
    fixture.environment.stop().await.unwrap();
}

/// What has come in, up to what is sent last.
fn datagrams_of(socket: &UdpSocket) -> Vec<String> {
    socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut came = Vec::new();
    while came.last().is_none_or(|last| last != OPEN[OPEN.len() - 1]) {
        let mut datagram = [0; 64];
        let length = socket.recv(&mut datagram).unwrap();
        came.push(String::from_utf8_lossy(&datagram[..length]).trim().to_owned());
    }
    came
}

/// Says its own address, and whoever connects that it was reached.
const SERVER: &str = r#"exec python3 -c 'import socket
server = socket.create_server(("", 8080))
way_out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
way_out.connect(("192.0.2.9", 9))
print(way_out.getsockname()[0], flush=True)
server.accept()[0].sendall(b"reached\n")
'"#;

/// What the environment hears of a server in another one.
async fn from_another_environment(fixture: &Fixture) -> String {
    let other = fixture.engine.start(Spec { network: true, ..spec() }).await.unwrap();
    let (said, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let mut server = sh(SERVER);
    server.needs_network = true;
    let serving = other.run(server, |_, piece| said.send(piece.to_vec()).unwrap());
    let attempt = async {
        let address = String::from_utf8(heard.recv().await.unwrap()).unwrap();
        fixture.sh(&format!("timeout 5 bash -c 'cat < /dev/tcp/{}/{PORT}' 2> /dev/null", address.trim())).await.1
    };
    let reached = tokio::select! {
        ended = serving => panic!("the server ended: {ended:?}"),
        reached = attempt => reached,
    };
    other.stop().await.unwrap();
    reached
}

#[tokio::test]
async fn what_is_mounted_on_the_host_stays_mounted() {
    if !inside() {
        // A mount below a shared one, as the root of a container is below Docker's folder.
        let script = "mount -t tmpfs none /mnt && mount --make-shared /mnt && mkdir /mnt/below && mount -t tmpfs none /mnt/below";
        return run_again_in("--mount", script, "engine_network::what_is_mounted_on_the_host_stays_mounted", INSIDE);
    }
    let work_dir = tempfile::tempdir().unwrap();
    let engine = Engine::open(settings(Kind::Sandbox, work_dir.path())).await.unwrap();
    let environment = engine.start(Spec { network: true, ..spec() }).await.unwrap();
    let fixture = Fixture { kind: Kind::Sandbox, engine, environment, work_dir };
    let mut job = sh("echo connected");
    job.needs_network = true;
    assert_eq!(fixture.run(job).await, (Exit::Code(0), "connected\n".to_owned()));
    fixture.environment.stop().await.unwrap();
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(mounts.lines().any(|mount| mount.split(' ').nth(4) == Some("/mnt/below")), "{mounts}");
}

/// Answers each question for a name with one address.
fn answer_names(resolver: &UdpSocket) {
    let mut query = [0; 512];
    loop {
        let (length, from) = resolver.recv_from(&mut query).unwrap();
        let mut reply = query[..length].to_vec();
        // A response, with one answer.
        reply[2] |= 0x80;
        reply[7] = 1;
        // The name of the question, type A, class IN, a minute to live, four bytes of address.
        reply.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 203, 0, 113, 9]);
        resolver.send_to(&reply, from).unwrap();
    }
}

#[tokio::test]
async fn without_a_network_a_command_that_needs_one_is_an_error() {
    for fixture in Fixture::isolated().await {
        let mut command = sh("true");
        command.needs_network = true;
        assert!(fixture.environment.run(command, |_, _| ()).await.is_err(), "{:?}", fixture.kind);
    }
}

fn inside() -> bool {
    #[expect(clippy::disallowed_methods, reason = "how the test finds out where it runs")]
    std::env::var_os(INSIDE).is_some()
}
