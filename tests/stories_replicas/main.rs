//! Several controllers of one cluster: what people do with them, and what they see when one is lost.

mod failover;
