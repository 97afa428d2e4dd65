//! What every provider of VMs does, and what a cloud's would.

use std::{sync::Arc, time::Instant};

use tidegate_scheduler::{command::PoolSettings, ids::NodeId, input::ProviderEvent};

/// A node that is to be there.
#[derive(Clone, Debug)]
pub struct NodeOrder {
    /// Which; a number is never given to another node later.
    pub node: NodeId,
    /// Its pool: workspace, name, region, VM size, tier, and in `provider` what only the provider understands.
    pub pool: Arc<PoolSettings>,
}

/// Makes and unmakes VMs until what is there is what is wanted.
///
/// **Level-triggered.** Each call hands in the whole set of nodes that are to be there; the provider compares it with
/// what it finds and takes the next step for each node, without waiting for it to end. So nothing is lost by a crash
/// between a decision and its effect: whoever comes after calls [`Provider::reconcile`] with what the state says, and
/// what was half done is done.
///
/// **What a provider of a cloud implements.** It names (or tags) each VM by cluster and node number, so that a list of
/// the cloud's VMs says which nodes exist, also to a controller that was just started. `reconcile` lists them, asks
/// for those that are wanted and missing (with the node number as the cloud's idempotency key, and the worker's joining
/// token as the VM's user data), and asks for the deletion of those not wanted. It says `Booting` when the cloud has accepted,
/// `Failed` with the cloud's own words when it refuses or the VM broke, and `Gone` only once the VM is in no list any more,
/// since quota is given back by that. Calls that take long run in threads of its own, which leave their
/// results for the next `reconcile`; back-off against throttling shows in [`Provider::next_wakeup`].
///
/// All methods are called from one thread that may block for short; none needs an asynchronous runtime.
pub trait Provider: Send {
    /// Goes on towards the `wanted` nodes being there and no others.
    ///
    /// `wanted` is complete: every node that is asked for, booting, or ready. What is not in it is destroyed, so the
    /// first call has to wait until the state has been recovered. `released` are the nodes whose end is not confirmed
    /// yet: for each of these `Gone` is answered once it is no more, also if it never was. `now` never goes back.
    ///
    /// The events are what is new since it was last said (see [`Provider::retell`]).
    fn reconcile(
        &mut self,
        wanted: &[NodeOrder],
        released: &[NodeId],
        now: Instant,
    ) -> Vec<(NodeId, ProviderEvent)>;

    /// When to call [`Provider::reconcile`] again at the latest, even if nothing else is wanted; `None`: not before
    /// something is.
    fn next_wakeup(&self) -> Option<Instant>;

    /// Forgets what has been said: the next [`Provider::reconcile`] says what holds of every node. For a new leader,
    /// since what was said to an old one may have been lost.
    fn retell(&mut self);

    /// The end of this controller's process. With `keep_nodes` the nodes live on, for the next controller to find; else
    /// all are destroyed, and this blocks until they are.
    ///
    /// # Errors
    ///
    /// Some nodes could not be destroyed.
    fn shutdown(&mut self, keep_nodes: bool) -> Result<(), ProviderError>;
}

/// A provider could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// The folder of the local nodes cannot be used.
    #[error("cannot {what} {}: {error}", path.display())]
    Folder {
        /// What was tried.
        what: &'static str,
        /// With this file or folder.
        path: std::path::PathBuf,
        /// The system's answer.
        #[source]
        error: std::io::Error,
    },
    /// At the end some nodes were still there.
    #[error(
        "nodes {nodes:?} are still there: their processes do not die or their folders cannot be removed; the next start tries again"
    )]
    StillThere {
        /// Which.
        nodes: Vec<NodeId>,
    },
}
