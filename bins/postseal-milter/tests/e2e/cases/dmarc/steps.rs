//! What outlives a message: the steps of `postseal enforce`, and which domains are known.

use std::time::{Duration, Instant};

use engine::enforcement::{LADDER, Ramp, Ramps, Thresholds, file};

use super::{fate, start};
use crate::mails;
use crate::site::Site;

/// Puts a ramp for reject.example into the daemon's state folder, and waits until the daemon has read it.
fn enforce(site: &Site, ramp: &Ramp) {
    let read = || site.daemon.log().matches("enforcement steps read").count();
    let before = read();
    let ramps = Ramps { domains: [("reject.example".to_owned(), ramp.clone())].into() };
    file::write(&site.folder.path().join("postseal-data"), &ramps).unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    while read() == before {
        assert!(Instant::now() < deadline, "the daemon did not read the steps:\n{}", site.daemon.log());
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_step_of_a_ramp_is_in_force_within_seconds_and_so_is_its_end() {
    let site = start("seldom_seen = \"reject\"", "");
    let forged = mails::from("reject.example");
    fate(&site, "a@other.example", &forged).delivered();
    let mut ramp = Ramp::begin(0, Thresholds::default());
    for _ in 1..LADDER.len() {
        ramp.advance(1, "test");
    }
    enforce(&site, &ramp);
    fate(&site, "a@other.example", &forged).is_refused_for("reject.example");
    // Another domain is where it was.
    fate(&site, "a@other.example", &mails::from("bank.example")).delivered();
    ramp.stop(2, "an incident");
    enforce(&site, &ramp);
    fate(&site, "a@other.example", &forged).delivered();
}

#[test]
fn a_domain_that_was_known_is_known_after_a_restart() {
    let mut site = start("mode = \"reject\"\nknown_after = 1", "");
    let genuine = mails::from("reject.example");
    fate(&site, "a@reject.example", &genuine).delivered();
    fate(&site, "a@other.example", &genuine).is_refused_for("reject.example");
    // Its journal is written a moment after the answer.
    std::thread::sleep(Duration::from_secs(2));
    site.daemon.kill();
    site.daemon.restart();
    let deadline = Instant::now() + Duration::from_secs(20);
    while fate(&site, "a@other.example", &genuine).word() != "refused" {
        assert!(Instant::now() < deadline, "the journal was not read:\n{}", site.daemon.log());
    }
}
