use super::*;
use proptest::prelude::*;

fn decoder(octets: &[u8]) -> FrameDecoder {
    let mut decoder = FrameDecoder::default();
    decoder.push(octets);
    decoder
}

#[test]
fn s1_length_zero_is_an_error() {
    // go-milter reads the code of such a frame and panics.
    let mut decoder = decoder(b"\0\0\0\x01Q\0\0\0\0");
    assert_eq!(decoder.next_frame(), Ok(Some(Frame { code: b'Q', payload: b"" })));
    for _ in 0..2 {
        assert_eq!(decoder.next_frame(), Err(FrameError::Empty { offset: 5 }));
    }
    decoder.push(b"\0\0\0\x01Q");
    assert_eq!(decoder.next_frame(), Err(FrameError::Empty { offset: 5 }));
    assert_eq!(decoder.end(), Err(FrameError::Empty { offset: 5 }));
}

#[test]
fn s1_a_length_above_the_limit_is_refused_from_its_four_octets_and_allocates_nothing() {
    // go-milter allocates what the peer says.
    let mut decoder = decoder(&u32::MAX.to_be_bytes());
    assert!(decoder.capacity() <= 2 * MIN_SPACE);
    let error = FrameError::TooLong { length: u32::MAX, max: DEFAULT_MAX_FRAME, offset: 0 };
    assert_eq!(decoder.next_frame(), Err(error));
    assert!(decoder.capacity() <= 2 * MIN_SPACE);
}

#[test]
fn s1_the_longest_frame_is_accepted_and_one_more_octet_is_not() {
    for (length, accepted) in [(100u32, true), (101, false)] {
        let mut decoder = FrameDecoder::new(100);
        decoder.push(&length.to_be_bytes());
        decoder.push(&[b'B'; 101]);
        assert_eq!(decoder.next_frame().is_ok_and(|frame| frame.is_some()), accepted);
    }
}

#[test]
fn a_length_that_was_only_announced_costs_nothing() {
    let mut decoder = decoder(&DEFAULT_MAX_FRAME.to_be_bytes());
    assert_eq!(decoder.next_frame(), Ok(None));
    for _ in 0..100 {
        decoder.push(b"x");
        assert_eq!(decoder.next_frame(), Ok(None));
        decoder.space();
    }
    assert!(decoder.capacity() <= 4 * MIN_SPACE, "{}", decoder.capacity());
}

#[test]
fn the_buffer_grows_with_what_came_and_is_given_back() {
    let length = DEFAULT_MAX_FRAME;
    let mut decoder = FrameDecoder::default();
    decoder.push(&length.to_be_bytes());
    let mut left = usize::try_from(length).unwrap();
    while left > 0 {
        let room = decoder.space().len();
        assert!(room >= MIN_SPACE);
        let came = room.min(left);
        decoder.filled(came);
        left -= came;
        if left > 0 {
            assert_eq!(decoder.next_frame(), Ok(None));
        }
    }
    assert!(decoder.capacity() <= 4 * usize::try_from(length).unwrap());
    let frame = decoder.next_frame().unwrap().unwrap();
    assert_eq!(frame.payload.len(), usize::try_from(length).unwrap() - 1);
    decoder.space();
    assert!(decoder.capacity() <= 2 * MIN_SPACE);
}

#[test]
fn body_packets_of_the_usual_size_reuse_one_buffer() {
    let mut stream = Vec::new();
    Frame { code: b'B', payload: &[b'x'; 65_535] }.encode(&mut stream).unwrap();
    let mut decoder = FrameDecoder::default();
    let mut capacities = Vec::new();
    for _ in 0..4 {
        for piece in stream.chunks(3000) {
            decoder.push(piece);
            while decoder.next_frame().unwrap().is_some() {}
        }
        capacities.push(decoder.capacity());
    }
    assert_eq!(capacities[1..], [capacities[1]; 3]);
    assert!(capacities[1] <= KEEP);
}

#[test]
fn the_end_of_the_stream_inside_a_frame_is_an_error() {
    let mut stream = Vec::new();
    Frame { code: b'H', payload: b"mx\0" }.encode(&mut stream).unwrap();
    for end in 1..stream.len() {
        let mut decoder = decoder(&stream[..end]);
        assert_eq!(decoder.next_frame(), Ok(None));
        assert!(decoder.is_inside_frame());
        assert_eq!(decoder.end(), Err(FrameError::Truncated { offset: 0 }));
    }
}

#[test]
fn more_octets_than_there_is_room_for_count_as_the_room() {
    let mut decoder = FrameDecoder::default();
    let room = decoder.space().len();
    decoder.filled(usize::MAX);
    assert_eq!(decoder.space().len(), decoder.capacity() - room);
}

proptest! {
    #[test]
    fn frames_survive_any_cutting(
        frames in proptest::collection::vec((any::<u8>(), proptest::collection::vec(any::<u8>(), 0..300)), 0..8),
        sizes in proptest::collection::vec(1usize..200, 1..20),
    ) {
        let mut stream = Vec::new();
        for (code, payload) in &frames {
            Frame { code: *code, payload }.encode(&mut stream).unwrap();
        }
        let mut decoder = FrameDecoder::default();
        let mut got = Vec::new();
        let mut rest = &stream[..];
        for size in sizes.iter().cycle() {
            let (piece, tail) = rest.split_at(rest.len().min(*size));
            let space = decoder.space();
            space[..piece.len()].copy_from_slice(piece);
            decoder.filled(piece.len());
            while let Some(frame) = decoder.next_frame().unwrap() {
                got.push((frame.code, frame.payload.to_vec()));
            }
            rest = tail;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(got, frames);
        prop_assert_eq!(decoder.end(), Ok(()));
    }

    #[test]
    fn any_octets_give_frames_or_an_error(octets: Vec<u8>, max in 0u32..64) {
        let mut decoder = FrameDecoder::new(max);
        decoder.push(&octets);
        while let Ok(Some(frame)) = decoder.next_frame() {
            prop_assert!(frame.payload.len() < usize::try_from(max).unwrap());
        }
    }
}
