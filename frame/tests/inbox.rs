//! The inbox: when it takes more memory, and what it says of a frame that is begun. What comes out of it is told in
//! `trickle.rs`.

use frame::{HEADER, Inbox};

/// Bytes that an inbox allocates first.
const SMALL: usize = 4 * 1024;

/// Brings so many bytes, or as many as there is room for; returns how many that was.
fn fill(inbox: &mut Inbox, count: usize) -> usize {
    let filled = inbox.fill(|space| {
        let count = count.min(space.len());
        space[..count].fill(0);
        Ok(count)
    });
    filled.unwrap().unwrap()
}

#[test]
fn it_grows_where_one_fill_brings_half_of_its_bytes_to_its_end_and_not_where_it_brings_less() {
    for (last, grows) in [
        (SMALL, true),
        (SMALL / 2, true),
        (SMALL / 2 - 1, false),
        (1, false),
    ] {
        let mut inbox = Inbox::unframed(10 * SMALL);
        assert!(inbox.needs_memory());
        if last < SMALL {
            fill(&mut inbox, SMALL - last);
            assert!(!inbox.needs_memory());
        }
        assert_eq!(fill(&mut inbox, usize::MAX), last);
        inbox.clear();
        assert_eq!(inbox.needs_memory(), grows, "{last}");
        fill(&mut inbox, 1);
        let allocated = if grows { 2 * SMALL } else { SMALL };
        assert_eq!(inbox.allocated(), allocated, "{last}");
    }
}

#[test]
fn it_grows_where_more_than_half_of_its_bytes_are_unread_at_its_end() {
    for (unread, grows) in [(SMALL / 2, false), (SMALL / 2 + 1, true)] {
        let mut inbox = Inbox::unframed(10 * SMALL);
        fill(&mut inbox, SMALL - 10);
        // So little that the peer does not seem to bring more than there is room for.
        fill(&mut inbox, 10);
        inbox.skip(SMALL - unread);
        assert_eq!(inbox.needs_memory(), grows, "{unread}");
    }
}

#[test]
fn of_a_frame_that_is_begun_it_is_known_how_many_bytes_are_here_and_once_its_length_is_how_many_it_has()
 {
    let payload = b"{agency:1}";
    let length = (HEADER - 4 + payload.len()) as u32;
    let frame = [&length.to_be_bytes()[..], &[0; HEADER - 4], payload].concat();
    for (bytes, begun) in [
        (&frame[..0], None),
        (&frame[..3], Some((3, None))),
        (&frame[..4], Some((4, Some(frame.len())))),
        (&frame[..30], Some((30, Some(frame.len())))),
        (&frame[..], None),
        (&[&frame[..], &frame[..9]].concat()[..], None),
        // No frame is so short.
        (&[0, 0, 0, 1, 0], None),
    ] {
        let mut inbox = Inbox::new(200, 300);
        inbox
            .fill(|space| {
                space[..bytes.len()].copy_from_slice(bytes);
                Ok(bytes.len())
            })
            .unwrap();
        assert_eq!(inbox.begun(), begun, "{bytes:?}");
    }
    let mut inbox = Inbox::new(200, 300);
    fill(&mut inbox, 0);
    assert_eq!(inbox.begun(), None);
}
