use rand::{RngCore, SeedableRng, rngs::StdRng};
use tidegate_transport::link::Class;
use tokio::net::UdpSocket;

use crate::pair::{Pair, any_port, soon};

#[tokio::test]
async fn datagrams_of_garbage_are_nothing_to_the_endpoint() {
    let seed =
        std::env::var("TIDEGATE_SEED").map_or_else(|_| rand::rng().next_u64(), |seed| seed.parse().unwrap());
    println!("seed {seed} (set TIDEGATE_SEED to repeat)");
    let mut random = StdRng::seed_from_u64(seed);
    let pair = Pair::new();
    let (near, far) = pair.link().await;
    let address = pair.controller.local_addr().unwrap();
    let stranger = UdpSocket::bind(any_port()).await.unwrap();
    for round in 0..2000u32 {
        let mut datagram = vec![0; (random.next_u32() % 1400 + 1) as usize];
        random.fill_bytes(&mut datagram);
        match round % 4 {
            // As a first packet of QUIC 1 would begin.
            0 => datagram.splice(..0, [0xc0, 0, 0, 0, 1, 8]).for_each(drop),
            // As a packet of a connection would.
            1 => datagram[0] = 0x40,
            // A first packet that is sound but for its content, which only decryption tells.
            2 => datagram = first_packet(&mut random),
            _ => {}
        }
        stranger.send_to(&datagram, address).await.unwrap();
        if round % 100 == 0 {
            near.send(Class::Control, &round).await.unwrap();
            assert_eq!(soon("a message", far.recv::<u32>(Class::Control)).await.unwrap(), round);
        }
    }
    // The open link goes on, and the next peer is let in: nothing of the garbage was taken for one.
    let (near, far) = pair.link().await;
    near.send(Class::Control, "hello").await.unwrap();
    assert_eq!(soon("a message", far.recv::<String>(Class::Control)).await.unwrap(), "hello");
}

/// The header of a first packet of QUIC 1, with connection ids of 8 bytes and no token, before garbage.
fn first_packet(random: &mut StdRng) -> Vec<u8> {
    const PAYLOAD: u16 = 1200;
    let mut packet = vec![0xc3, 0, 0, 0, 1, 8];
    packet.extend(random.next_u64().to_be_bytes());
    packet.push(8);
    packet.extend(random.next_u64().to_be_bytes());
    packet.push(0);
    packet.extend((PAYLOAD | 0x4000).to_be_bytes());
    packet.resize(packet.len() + usize::from(PAYLOAD), 0);
    let payload = packet.len() - usize::from(PAYLOAD);
    random.fill_bytes(&mut packet[payload..]);
    packet
}
