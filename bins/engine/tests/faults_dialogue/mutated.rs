//! Dialogues with octets changed, left out and put in, at places of chance from a fixed seed.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use super::{PATIENCE, daemon, dialogue, port, still_serves};

/// Xorshift: the same sequence at every run.
struct Chance(u32);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        usize::try_from(self.0).unwrap() % limit
    }

    fn octet(&mut self) -> u8 {
        u8::try_from(self.below(256)).unwrap()
    }
}

fn mutate(octets: &mut Vec<u8>, chance: &mut Chance) {
    for _ in 0..=chance.below(4) {
        if octets.is_empty() {
            return;
        }
        let at = chance.below(octets.len());
        match chance.below(6) {
            0 => octets[at] = chance.octet(),
            1 => octets[at] ^= 1 << chance.below(8),
            2 => octets.truncate(at),
            3 => drop(octets.drain(at..(at + chance.below(20)).min(octets.len()))),
            4 => octets.insert(at, chance.octet()),
            _ => {
                let again = octets[at..(at + chance.below(60)).min(octets.len())].to_vec();
                drop(octets.splice(at..at, again));
            }
        }
    }
}

/// Packets in another order, twice or not at all, each whole.
fn shuffle(packets: &mut Vec<Vec<u8>>, chance: &mut Chance) {
    for _ in 0..=chance.below(4) {
        let (from, to) = (chance.below(packets.len()), chance.below(packets.len()));
        match chance.below(3) {
            0 => packets.swap(from, to),
            1 => packets.insert(to, packets[from].clone()),
            _ if packets.len() > 2 => drop(packets.remove(from)),
            _ => {}
        }
    }
}

/// Of each dialogue the MTA sends everything, then its end; the daemon ends the connection, in whatever state it found it.
#[test]
fn s19_eight_hundred_mutated_dialogues_all_end() {
    let daemon = daemon("[limits]\npacket = \"2s\"\nidle = \"5s\"\n");
    let mut chance = Chance(0x2545_f491);
    for number in 0..800 {
        let mut packets = dialogue();
        if number % 2 == 0 {
            shuffle(&mut packets, &mut chance);
        }
        let mut octets = packets.concat();
        if number % 4 != 0 {
            mutate(&mut octets, &mut chance);
        }
        let mut stream = TcpStream::connect(port(&daemon)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let start = Instant::now();
        let _ = stream.write_all(&octets);
        let _ = stream.shutdown(Shutdown::Write);
        let mut answer = Vec::new();
        if let Err(error) = stream.read_to_end(&mut answer) {
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{number}: {error}");
        }
        assert!(start.elapsed() < Duration::from_secs(10), "{number}: {:?}", start.elapsed());
    }
    still_serves(&daemon);
}
