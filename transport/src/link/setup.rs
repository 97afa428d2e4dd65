//! From a QUIC connection to a link: version handshake, streams, tasks.

use std::sync::{Arc, OnceLock};

use quinn::{Connection, RecvStream, SendStream};
use tokio::sync::{Mutex, mpsc};

use super::{Class, Config, Inbox, Inner, Link, Outbox};
use crate::{
    bulk,
    close::CloseCode,
    error::HelloError,
    hello::{self, Hello},
    tls::PeerId,
};

/// Which side opened the connection; it opens the stream of the version handshake.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Dialed,
    Accepted,
}

impl Link {
    /// Shakes hands and makes the streams, within the configured time. On failure the connection is closed, and the
    /// peer is told why.
    pub(crate) async fn establish(
        connection: Connection,
        side: Side,
        peer: PeerId,
        ours: &Hello,
        config: &Config,
    ) -> Result<Self, HelloError> {
        let set_up = async {
            // The streams are opened along with the handshake, not after it: one round trip less.
            tokio::try_join!(
                agree(&connection, side, ours, config),
                open_streams(&connection),
                accept_streams(&connection)
            )
        };
        let deadline = config.handshake_timeout;
        let made = tokio::time::timeout(deadline, set_up).await;
        match made.unwrap_or(Err(HelloError::Deadline { after: deadline })) {
            Ok(((hello, protocol), send, recv)) => {
                Ok(Self::start(connection, peer, hello, protocol, (send, recv), config))
            }
            Err(error) => {
                connection.close(close_code(&error).to_wire(), error.to_string().as_bytes());
                Err(error)
            }
        }
    }

    fn start(
        connection: Connection,
        peer: PeerId,
        hello: Hello,
        protocol: u32,
        (send, recv): ([SendStream; 2], [RecvStream; 2]),
        config: &Config,
    ) -> Self {
        let outboxes = send.map(|stream| {
            let outbox = Arc::new(Outbox::new(config.queue));
            let (writer, connection) = (outbox.clone(), connection.clone());
            tokio::spawn(async move { writer.run(stream, &connection).await });
            outbox
        });
        let [consensus, control] = recv;
        let inbox = |class: Class, stream| Inbox::new(stream, class.max_frame(&config.max_frame));
        let inboxes = [inbox(Class::Consensus, consensus), inbox(Class::Control, control)];
        let (arrived, bulk) = mpsc::channel(config.max_bulk_streams as usize);
        tokio::spawn(bulk::accept_all(
            connection.clone(),
            arrived,
            config.max_frame.bulk,
            config.handshake_timeout,
        ));
        Self(Arc::new(Inner {
            connection,
            peer,
            hello,
            protocol,
            limits: config.max_frame,
            outboxes,
            inboxes,
            bulk: Mutex::new(bulk),
            closed_here: OnceLock::new(),
        }))
    }
}

async fn agree(
    connection: &Connection,
    side: Side,
    ours: &Hello,
    config: &Config,
) -> Result<(Hello, u32), HelloError> {
    let stream = match side {
        Side::Dialed => connection.open_bi().await,
        Side::Accepted => connection.accept_bi().await,
    };
    let (mut send, mut recv) = stream.map_err(HelloError::lost)?;
    hello::exchange(&mut send, &mut recv, ours, config.handshake_timeout).await
}

async fn open_streams(connection: &Connection) -> Result<[SendStream; 2], HelloError> {
    let [consensus, control] = Class::ALL;
    Ok([open_stream(connection, consensus).await?, open_stream(connection, control).await?])
}

async fn open_stream(connection: &Connection, class: Class) -> Result<SendStream, HelloError> {
    let mut stream = connection.open_uni().await.map_err(HelloError::lost)?;
    stream.set_priority(class.priority()).map_err(|_| HelloError::Ended)?;
    stream.write_all(&[class.tag()]).await.map_err(HelloError::write)?;
    Ok(stream)
}

async fn accept_streams(connection: &Connection) -> Result<[RecvStream; 2], HelloError> {
    let (first, second) = (accept_stream(connection).await?, accept_stream(connection).await?);
    match (first, second) {
        ((Class::Consensus, consensus), (Class::Control, control))
        | ((Class::Control, control), (Class::Consensus, consensus)) => Ok([consensus, control]),
        ((class, _), _) => Err(HelloError::Streams { what: format!("two {class:?} streams") }),
    }
}

async fn accept_stream(connection: &Connection) -> Result<(Class, RecvStream), HelloError> {
    let mut stream = connection.accept_uni().await.map_err(HelloError::lost)?;
    let mut tag = [0];
    stream.read_exact(&mut tag).await.map_err(HelloError::read)?;
    match Class::ALL.into_iter().find(|class| class.tag() == tag[0]) {
        Some(class) => Ok((class, stream)),
        None => Err(HelloError::Streams { what: format!("a stream of unknown class 0x{:02x}", tag[0]) }),
    }
}

/// What the peer is told when the handshake fails here.
fn close_code(error: &HelloError) -> CloseCode {
    match error {
        HelloError::Cluster { .. } => CloseCode::Cluster,
        HelloError::Version { .. } => CloseCode::Version,
        HelloError::Deadline { .. } => CloseCode::Handshake,
        HelloError::Frame(_) | HelloError::Streams { .. } | HelloError::Ended => CloseCode::Violation,
        // Closed already: nobody hears it.
        HelloError::Closed(_) => CloseCode::Done,
    }
}
