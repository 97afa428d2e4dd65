//! Cuts cut, what is healed is whole, losses are as many as asked for, and delays as long.
//!
//! That a packet does not arrive is not waited for: a later one on the same way arrives first.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream, UdpSocket},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use rustix::net::sockopt::set_socket_recv_buffer_size_force;
use tidegate_tests::{faults::Hosts, wait};

const PORT: u16 = 9000;

/// A socket in each host.
struct Net {
    hosts: Hosts,
    sockets: Vec<UdpSocket>,
}

impl Net {
    fn new(story: &str, count: usize) -> Result<Option<Net>> {
        let Some(hosts) = Hosts::new(story, count)? else { return Ok(None) };
        let mut sockets = Vec::new();
        for host in hosts.all() {
            let socket = host.inside(|| UdpSocket::bind((host.address(), PORT)))??;
            socket.set_read_timeout(Some(wait::DEADLINE))?;
            set_socket_recv_buffer_size_force(&socket, 16 << 20)?;
            sockets.push(socket);
        }
        Ok(Some(Net { hosts, sockets }))
    }

    fn send(&self, from: usize, to: usize, what: &str) -> Result<()> {
        let sent = self.sockets[from].send_to(what.as_bytes(), (self.hosts.host(to).address(), PORT))?;
        ensure!(sent == what.len());
        Ok(())
    }

    /// The next packet that arrives.
    fn next(&self, at: usize) -> Result<String> {
        let mut packet = [0; 64];
        let (length, _) = self.sockets[at].recv_from(&mut packet).context("no packet arrives")?;
        Ok(String::from_utf8_lossy(&packet[..length]).into_owned())
    }

    /// Sends on all ways, and gives those on which it arrives: told by `heal`, after which all do.
    fn open_ways(&self, heal: impl FnOnce() -> Result<()>) -> Result<Vec<(usize, usize)>> {
        let ways = || {
            let all = 0..self.sockets.len();
            all.clone().flat_map(move |from| all.clone().map(move |to| (from, to))).filter(|(a, b)| a != b)
        };
        for (from, to) in ways() {
            self.send(from, to, &format!("early {from}"))?;
        }
        heal()?;
        for (from, to) in ways() {
            self.send(from, to, &format!("last {from}"))?;
        }
        let mut open = Vec::new();
        for at in 0..self.sockets.len() {
            let mut lasts = 1;
            while lasts < self.sockets.len() {
                let packet = self.next(at)?;
                let (word, from) = packet.split_once(' ').context("two words are sent")?;
                match word {
                    "early" => open.push((from.parse()?, at)),
                    _ => lasts += 1,
                }
            }
        }
        open.sort();
        Ok(open)
    }
}

#[test]
fn cuts_are_as_wide_as_asked_for_and_heal() -> Result<()> {
    let Some(net) = Net::new("cuts_are_as_wide_as_asked_for", 3)? else { return Ok(()) };
    let hosts = &net.hosts;
    let all = vec![(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)];
    assert_eq!(net.open_ways(|| Ok(()))?, all);
    hosts.cut(&[0], &[1])?;
    assert_eq!(net.open_ways(|| hosts.heal())?, [(0, 2), (1, 2), (2, 0), (2, 1)]);
    hosts.cut_one_way(&[0], &[1])?;
    assert_eq!(net.open_ways(|| hosts.heal())?, [(0, 2), (1, 0), (1, 2), (2, 0), (2, 1)]);
    hosts.cut_off(2)?;
    assert_eq!(net.open_ways(|| hosts.heal())?, [(0, 1), (1, 0)]);
    // Nobody hears it, and it hears all.
    hosts.cut_one_way(&[1], &hosts.others(1))?;
    assert_eq!(net.open_ways(|| hosts.heal())?, [(0, 1), (0, 2), (2, 0), (2, 1)]);
    // One after the other, and one of them healed.
    hosts.cut(&[0, 1], &[2])?;
    hosts.cut_one_way(&[1], &[0])?;
    hosts.heal_between(&[0], &[2])?;
    assert_eq!(net.open_ways(|| hosts.heal())?, [(0, 1), (0, 2), (2, 0)]);
    assert_eq!(net.open_ways(|| hosts.heal())?, all);
    let unknown = hosts.cut(&[0], &[3]).expect_err("there are three");
    assert_eq!(unknown.to_string(), "there is no host 3");
    Ok(())
}

#[test]
fn as_many_packets_are_lost_as_asked_for() -> Result<()> {
    let Some(net) = Net::new("as_many_packets_are_lost", 2)? else { return Ok(()) };
    let arrived = |per_mille: u32| -> Result<usize> {
        net.hosts.set_loss(per_mille)?;
        for _ in 0..2000 {
            net.send(0, 1, "one")?;
        }
        net.hosts.set_loss(0)?;
        net.send(0, 1, "last")?;
        let mut count = 0;
        while net.next(1)? == "one" {
            count += 1;
        }
        Ok(count)
    };
    assert_eq!(arrived(0)?, 2000);
    assert_eq!(arrived(1000)?, 0);
    // More than six standard deviations of leeway on each side.
    let (third, twentieth) = (arrived(300)?, arrived(50)?);
    println!("of 2000 packets, {third} arrive at 30 % loss, {twentieth} at 5 %");
    assert!((1270..=1530).contains(&third), "{third}");
    assert!((1840..=1960).contains(&twentieth), "{twentieth}");
    assert!(net.hosts.set_loss(1001).is_err());
    Ok(())
}

#[test]
fn delays_are_as_long_as_asked_for_and_keep_the_order() -> Result<()> {
    let Some(net) = Net::new("delays_are_as_long", 3)? else { return Ok(()) };
    // There and back, the best of a few.
    let round_trip = || -> Result<Duration> {
        let mut best = Duration::MAX;
        for _ in 0..5 {
            let begun = Instant::now();
            net.send(0, 1, "ping")?;
            ensure!(net.next(1)? == "ping");
            net.send(1, 0, "pong")?;
            ensure!(net.next(0)? == "pong");
            best = best.min(begun.elapsed());
        }
        Ok(best)
    };
    let undisturbed = round_trip()?;
    net.hosts.set_delay(Duration::from_millis(50))?;
    let slow = round_trip()?;
    net.hosts.set_delay(Duration::from_millis(20))?;
    let faster = round_trip()?;
    println!("round trips: {undisturbed:?} undisturbed, {slow:?} at 50 ms a way, {faster:?} at 20 ms");
    assert!(slow >= Duration::from_millis(100), "{slow:?}");
    assert!(faster >= Duration::from_millis(40) && faster < slow, "{faster:?}");
    for number in 0..1000 {
        net.send(2, 1, &number.to_string())?;
    }
    for number in 0..1000 {
        assert_eq!(net.next(1)?, number.to_string());
    }
    // What is held when it ends is not lost.
    net.send(0, 2, "held")?;
    net.hosts.set_delay(Duration::ZERO)?;
    assert_eq!(net.next(2)?, "held");
    assert!(round_trip()? < slow);
    let rules = net.hosts.host(0).output(Command::new("iptables").arg("-S"))?;
    assert!(!String::from_utf8_lossy(&rules.stdout).contains("NFQUEUE"), "{rules:?}");
    Ok(())
}

#[test]
fn a_stream_comes_through_loss_and_delay_and_a_cut() -> Result<()> {
    let Some(hosts) = Hosts::new("a_stream_comes_through", 2)? else { return Ok(()) };
    let sent: Vec<u8> = (0..64 << 10).map(|at: u32| at.to_le_bytes()[at as usize % 3]).collect();
    let listener = hosts.host(1).inside(|| TcpListener::bind((hosts.host(1).address(), PORT)))??;
    let mut from = hosts.host(0).inside(|| TcpStream::connect(listener.local_addr()?))??;
    let (mut to, _) = listener.accept()?;
    to.set_read_timeout(Some(wait::DEADLINE))?;
    hosts.set_loss(50)?;
    hosts.set_delay(Duration::from_millis(50))?;
    let half = sent.len() / 2;
    let received = thread::scope(|scope| -> Result<Vec<u8>> {
        let reader = scope.spawn(move || {
            let mut received = Vec::new();
            to.read_to_end(&mut received).map(|_| received)
        });
        from.write_all(&sent[..half])?;
        hosts.cut_off(0)?;
        from.write_all(&sent[half..])?;
        hosts.heal()?;
        drop(from);
        Ok(reader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?)
    })?;
    assert!(received == sent, "{} of {} bytes", received.len(), sent.len());
    Ok(())
}
