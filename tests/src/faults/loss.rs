//! Packets that are lost by chance.

use anyhow::{Result, ensure};

use super::hosts::{Hosts, INTERFACE};

impl Hosts {
    /// From now on, so many of a thousand packets between hosts are lost; 0 ends it.
    ///
    /// # Errors
    /// It is more than a thousand, or the system refuses.
    pub fn set_loss(&self, per_mille: u32) -> Result<()> {
        ensure!(per_mille <= 1000, "of a thousand packets, {per_mille} cannot be lost");
        // A burst that is handed on as one large packet would be lost as one.
        let segments = if per_mille > 0 { 1 } else { 65535 };
        for host in self.all() {
            host.namespace.ip(&format!("link set {INTERFACE} gso_max_segs {segments}\n"))?;
        }
        let mut script = "flush chain bridge faults loss\n".to_owned();
        if let Some(highest) = per_mille.checked_sub(1) {
            script.push_str(&format!(
                "add rule bridge faults loss numgen random mod 1000 <= {highest} counter drop\n"
            ));
        }
        self.nft(&script)
    }
}
