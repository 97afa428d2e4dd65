//! Claims cost nothing: with every allocation of the thread counted, no lie makes the decoder reserve memory.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

use tidegate_transport::frame::{Decoder, read_frame};

use crate::message::Message;

struct Counting;

thread_local! {
    static LARGEST: Cell<usize> = const { Cell::new(0) };
}

fn note(size: usize) {
    // A thread that is ending has no counter, and nothing that is measured.
    let _ending = LARGEST.try_with(|largest| largest.set(largest.get().max(size)));
}

// SAFETY: every call is passed to the system's allocator as it came; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        // SAFETY: the caller keeps `alloc`'s contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn realloc(&self, old: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note(size);
        // SAFETY: the caller keeps `realloc`'s contract.
        unsafe { System.realloc(old, layout, size) }
    }

    unsafe fn dealloc(&self, old: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps `dealloc`'s contract.
        unsafe { System.dealloc(old, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn largest(run: impl FnOnce()) -> usize {
    LARGEST.set(0);
    run();
    LARGEST.get()
}

fn framed(body: &[u8]) -> Vec<u8> {
    let mut frame = u32::try_from(body.len()).unwrap().to_be_bytes().to_vec();
    frame.extend_from_slice(body);
    frame
}

#[test]
fn a_claimed_length_reserves_nothing() {
    const MAX: usize = 64 << 20;
    let lies = [
        (MAX as u32).to_be_bytes().to_vec(),
        framed(b"\x81\xa5Table\xdd\x00\x0f\xff\xff"),
        framed(b"\x81\xa4Many\xdd\xff\xff\xff\xff"),
        framed(b"\x81\xa5Bytes\xc6\x7f\xff\xff\xff"),
        framed(b"\x81\xa5Start\x95\xdb\xff\xff\xff\xff"),
        framed(b"\xdf\xff\xff\xff\xff"),
    ];
    for lie in &lies {
        let most = largest(|| {
            let mut decoder = Decoder::new(MAX);
            decoder.push(lie);
            assert!(!matches!(decoder.next::<Message>(), Ok(Some(_))));
        });
        assert!(most < 4096, "{most} bytes at once for {lie:02x?}");
        let most = largest(|| assert!(read_frame::<Message>(&lie[..], MAX).is_err()));
        assert!(most <= 64 << 10, "{most} bytes at once for {lie:02x?}");
    }
}
