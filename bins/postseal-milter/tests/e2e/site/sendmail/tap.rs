//! Stands between an MTA and the daemon and writes down what they say to one another.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use milter_proto::recording::{End, Packet, Reader, Recorder};

/// A listener on a port of 127.0.0.1 that hands everything on; stopped when dropped.
pub(crate) struct Tap {
    dialogues: Arc<Mutex<Vec<Arc<Recording>>>>,
    stopped: Arc<AtomicBool>,
    /// Where the MTA connects.
    pub(crate) port: u16,
}

/// One connection.
struct Recording {
    recorder: Mutex<(Recorder, Vec<u8>)>,
    begin: Instant,
    /// Ends that have closed their side.
    closed: Mutex<u8>,
}

impl Tap {
    /// Starts one that connects to `target`, a port of 127.0.0.1.
    pub(crate) fn start(target: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let dialogues = Arc::<Mutex<Vec<Arc<Recording>>>>::default();
        let stopped = Arc::new(AtomicBool::new(false));
        let (for_thread, is_stopped) = (Arc::clone(&dialogues), Arc::clone(&stopped));
        std::thread::spawn(move || {
            for mta in listener.incoming() {
                if is_stopped.load(Ordering::SeqCst) {
                    return;
                }
                // When the daemon is not there, dropping the connection says so.
                let (Ok(mta), Ok(filter)) = (mta, TcpStream::connect((Ipv4Addr::LOCALHOST, target))) else { continue };
                let recording =
                    Arc::new(Recording { recorder: Mutex::default(), begin: Instant::now(), closed: Mutex::new(0) });
                for_thread.lock().unwrap().push(Arc::clone(&recording));
                recording.follow(&mta, &filter);
            }
        });
        Self { dialogues, stopped, port }
    }

    /// The packets of every connection with a message so far, once all of them have ended; waited for up to ten seconds.
    pub(crate) fn dialogues(&self) -> Vec<Vec<Packet>> {
        let deadline = Instant::now() + Duration::from_secs(10);
        let dialogues = self.dialogues.lock().unwrap().clone();
        let read = |recording: &Arc<Recording>| {
            while *recording.closed.lock().unwrap() < 2 {
                assert!(Instant::now() < deadline, "a milter connection stays open");
                std::thread::sleep(Duration::from_millis(5));
            }
            Reader::new(&recording.recorder.lock().unwrap().1).map(Result::unwrap).collect()
        };
        // Whoever only asked whether Sendmail is there left a dialogue too.
        let has_message = |dialogue: &Vec<Packet>| dialogue.iter().any(|packet| packet.code == b'M');
        dialogues.iter().map(read).filter(has_message).collect()
    }

    /// The packets of the only such connection, once it has ended.
    pub(crate) fn dialogue(&self) -> Vec<Packet> {
        let mut dialogues = self.dialogues();
        assert_eq!(dialogues.len(), 1, "milter connections");
        dialogues.remove(0)
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

impl Recording {
    fn follow(self: &Arc<Self>, mta: &TcpStream, filter: &TcpStream) {
        for (end, source, target) in [(End::Mta, mta, filter), (End::Filter, filter, mta)] {
            let (mut source, mut target) = (source.try_clone().unwrap(), target.try_clone().unwrap());
            target.set_nodelay(true).unwrap();
            let recording = Arc::clone(self);
            std::thread::spawn(move || {
                let mut octets = vec![0; 65536];
                while let Ok(count @ 1..) = source.read(&mut octets) {
                    recording.note(end, &octets[..count]);
                    if target.write_all(&octets[..count]).is_err() {
                        break;
                    }
                }
                let _ = target.shutdown(Shutdown::Write);
                *recording.closed.lock().unwrap() += 1;
            });
        }
    }

    fn note(&self, end: End, octets: &[u8]) {
        let (recorder, text) = &mut *self.recorder.lock().unwrap();
        recorder.octets(end, octets, Some(self.begin.elapsed()), text).unwrap();
    }
}

/// The codes of the commands in a dialogue, without macros.
pub(crate) fn commands(dialogue: &[Packet]) -> String {
    let is_command = |packet: &&Packet| packet.from == End::Mta && packet.code != b'D';
    dialogue.iter().filter(is_command).map(|packet| char::from(packet.code)).collect()
}

/// The codes of the replies in a dialogue.
pub(crate) fn replies(dialogue: &[Packet]) -> String {
    dialogue.iter().filter(|packet| packet.from == End::Filter).map(|packet| char::from(packet.code)).collect()
}
