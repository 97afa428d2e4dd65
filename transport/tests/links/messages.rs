use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tidegate_transport::{
    close::{CloseCode, CloseReason},
    config::{Config, FrameLimits, QueueLimits},
    error::{FrameError, RecvError, SendError},
    link::Class,
};

use crate::pair::{Pair, soon};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Numbered {
    number: u64,
    #[serde(with = "serde_bytes")]
    filling: Vec<u8>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_come_in_order_on_each_class_and_both_ways() {
    const COUNT: u64 = 5000;
    let pair = Pair::new();
    let (near, far) = pair.link().await;
    let mut tasks = Vec::new();
    for (from, to) in [(&near, &far), (&far, &near)] {
        for class in [Class::Consensus, Class::Control] {
            let from = from.clone();
            tasks.push(tokio::spawn(async move {
                for number in 0..COUNT {
                    let filling = vec![number as u8; (number % 700) as usize];
                    from.send(class, &Numbered { number, filling }).await.unwrap();
                }
            }));
            let to = to.clone();
            tasks.push(tokio::spawn(async move {
                let mut batch: Vec<Numbered> = Vec::new();
                let mut next = 0;
                while next < COUNT {
                    batch.clear();
                    let count = to.recv_many(class, &mut batch, 100).await.unwrap();
                    assert!(count == batch.len() && (1..=100).contains(&count));
                    for message in &batch {
                        assert_eq!((message.number, message.filling.len() as u64), (next, next % 700));
                        next += 1;
                    }
                }
            }));
        }
    }
    for task in tasks {
        soon("all messages", task).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_of_many_megabytes_arrives() {
    let pair = Pair::new();
    let (near, far) = pair.link().await;
    let big = Numbered { number: 1, filling: (0..20 << 20).map(|n: u32| n as u8).collect() };
    let (sent, got) = soon("the message", async {
        tokio::join!(near.send(Class::Consensus, &big), far.recv::<Numbered>(Class::Consensus))
    })
    .await;
    sent.unwrap();
    assert!(got.unwrap() == big);
}

/// What one side may hold for another that does not read: a window, the batch that is being written, and the queue.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_is_slow_stops_its_sender_and_nobody_else() {
    const WINDOW: usize = 64 << 10;
    const QUEUE: usize = 32 << 10;
    const FRAME: usize = 1024;
    const COUNT: usize = 2000;
    let small = Config {
        stream_window: WINDOW,
        queue: QueueLimits { frames: 1000, bytes: QUEUE },
        ..Config::default()
    };
    let pair = Pair::with(small.clone(), small);
    let (near, far) = pair.link().await;
    let taken = Arc::new(AtomicUsize::new(0));
    let sender = tokio::spawn({
        let (near, taken) = (near.clone(), taken.clone());
        async move {
            for number in 0..COUNT {
                let message = Numbered { number: number as u64, filling: vec![0; FRAME] };
                near.send(Class::Control, &message).await.unwrap();
                taken.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    // Until the queue is full, and for a good while longer by the other class's clock.
    let full = async {
        while !matches!(near.try_send(Class::Control, &()), Err(SendError::Full)) {
            tokio::task::yield_now().await;
        }
    };
    soon("a full queue", full).await;
    for number in 0..500u64 {
        near.send(Class::Consensus, &number).await.unwrap();
        assert_eq!(soon("the other class", far.recv::<u64>(Class::Consensus)).await.unwrap(), number);
    }
    let bound = WINDOW + 2 * (QUEUE + 2 * FRAME);
    let held = taken.load(Ordering::Relaxed) * FRAME;
    assert!(held <= bound, "{held} bytes are held, at most {bound} should be");

    // All of it comes, in order, once it is read. The probes above count as messages too.
    let mut next = 0;
    while next < COUNT as u64 {
        match soon("the rest", far.recv::<Option<Numbered>>(Class::Control)).await.unwrap() {
            Some(message) => {
                assert_eq!(message.number, next);
                next += 1;
            }
            None => continue,
        }
    }
    soon("the sender", sender).await.unwrap();
}

#[tokio::test]
async fn a_receive_that_is_dropped_loses_nothing() {
    let pair = Pair::new();
    let (near, far) = pair.link().await;
    for number in 0..200u64 {
        // Polled once and dropped, before and while the message is under way.
        for _ in 0..3 {
            tokio::select! {
                biased;
                got = far.recv::<u64>(Class::Control) => panic!("{got:?} came before it was sent"),
                () = std::future::ready(()) => {}
            }
        }
        near.send(Class::Control, &number).await.unwrap();
        assert_eq!(soon("the message", far.recv::<u64>(Class::Control)).await.unwrap(), number);
    }
}

#[tokio::test]
async fn an_oversize_message_is_refused_before_it_leaves_and_when_it_comes() {
    let limits = |control| FrameLimits { consensus: 1 << 20, control, bulk: 1 << 10 };
    let strict = Config { max_frame: limits(1000), ..Config::default() };
    let lax = Config { max_frame: limits(1 << 20), ..Config::default() };
    let pair = Pair::with(strict, lax);
    let (near, far) = pair.link().await;

    let error = far.send(Class::Control, &"x".repeat(2000)).await.unwrap_err();
    assert!(matches!(error, SendError::Frame(FrameError::TooLargeToSend { max: 1000 })), "{error}");
    near.send(Class::Control, "fine").await.unwrap();
    assert_eq!(soon("the link goes on", far.recv::<String>(Class::Control)).await.unwrap(), "fine");

    near.send(Class::Control, &"x".repeat(2000)).await.unwrap();
    let error = soon("the refusal", far.recv::<String>(Class::Control)).await.unwrap_err();
    assert!(matches!(error, RecvError::Frame(FrameError::TooLarge { max: 1000, .. })), "{error}");
    match soon("the close", near.closed()).await {
        CloseReason::Peer { code: CloseCode::Violation, reason } => {
            assert!(reason.contains("1000"), "{reason}")
        }
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_message_of_another_type_closes_the_link() {
    let pair = Pair::new();
    let (near, far) = pair.link().await;
    near.send(Class::Control, "text").await.unwrap();
    let error = soon("the refusal", far.recv::<u64>(Class::Control)).await.unwrap_err();
    assert!(matches!(error, RecvError::Frame(FrameError::Decode(_))), "{error}");
    let closed = soon("the close", near.closed()).await;
    assert!(matches!(closed, CloseReason::Peer { code: CloseCode::Violation, .. }), "{closed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_orderly_shutdown_delivers_all_that_was_sent() {
    let pair = Pair::new();
    let (near, far) = pair.link().await;
    let reader = tokio::spawn(async move {
        let mut next = 0;
        loop {
            match far.recv::<u64>(Class::Control).await {
                Ok(number) => {
                    assert_eq!(number, next);
                    next += 1;
                }
                Err(RecvError::Finished) => return next,
                Err(error) => panic!("{error} after {next}"),
            }
        }
    });
    for number in 0..10_000u64 {
        near.send(Class::Control, &number).await.unwrap();
    }
    let late = near.clone();
    assert!(soon("the shutdown", near.shutdown(CloseCode::Shutdown, "bye", Duration::from_secs(30))).await);
    assert_eq!(soon("the reader", reader).await.unwrap(), 10_000);
    assert!(matches!(late.send(Class::Control, &0).await, Err(SendError::Closed(_))));
}
