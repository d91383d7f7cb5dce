//! A cluster of three primaries, and what a test moves in it.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use private_servers::RedisRole;

use crate::support::{RedisServer, wait};

const SLOTS: u16 = 16_384;

/// Three primaries that share all slots, without replicas.
pub struct Cluster {
    pub nodes: Vec<RedisServer>,
}

impl Cluster {
    pub async fn start() -> Self {
        // A node that is gone is missed soon.
        let settings = "cluster-node-timeout 1000";
        let starts = (0..3).map(|_| RedisServer::start(RedisRole::ClusterNode, settings));
        let cluster = Self {
            nodes: join_all(starts).await,
        };
        for (index, node) in (0u16..).zip(&cluster.nodes) {
            let first = SLOTS / 3 * index;
            let last = if index == 2 {
                SLOTS - 1
            } else {
                first + SLOTS / 3 - 1
            };
            let (first, last) = (first.to_string(), last.to_string());
            node.tell(&["CLUSTER", "ADDSLOTSRANGE", &first, &last])
                .await;
            node.tell(&["CLUSTER", "SET-CONFIG-EPOCH", &(index + 1).to_string()])
                .await;
        }
        for other in &cluster.nodes[1..] {
            let bus: String = other
                .ask::<Vec<String>>(&["CONFIG", "GET", "cluster-port"])
                .await
                .unwrap()[1]
                .clone();
            let port = other.port.to_string();
            cluster.nodes[0]
                .tell(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus])
                .await;
        }
        for node in &cluster.nodes {
            node.until_cluster_is_up().await;
        }
        cluster
    }

    /// The URL names two of the nodes; they know the third.
    pub fn url(&self) -> String {
        let [first, second, ..] = self.nodes.as_slice() else {
            unreachable!("there are three");
        };
        format!("redis+cluster://{},{}", first.address(), second.address())
    }

    pub async fn id_of(&self, node: usize) -> String {
        self.nodes[node].ask(&["CLUSTER", "MYID"]).await.unwrap()
    }

    /// The keys of claims and answers on each node.
    pub async fn answers(&self) -> BTreeMap<usize, Vec<String>> {
        let mut found = BTreeMap::new();
        for (index, node) in self.nodes.iter().enumerate() {
            let keys = node
                .ask(&["KEYS", "splitcart:idempotency:*"])
                .await
                .unwrap();
            found.insert(index, keys);
        }
        found
    }

    pub async fn slot_of(&self, key: &str) -> u16 {
        self.nodes[0]
            .ask(&["CLUSTER", "KEYSLOT", key])
            .await
            .unwrap()
    }

    /// The node that has the slot now, as the nodes themselves see it.
    pub async fn owner_of(&self, slot: u16) -> usize {
        for (index, node) in self.nodes.iter().enumerate() {
            let slots: Vec<redis::Value> = node.ask(&["CLUSTER", "SLOTS"]).await.unwrap();
            let own = self.id_of(index).await;
            for range in slots {
                let (first, last, owner): (u16, u16, (String, u16, String, redis::Value)) =
                    redis::from_redis_value(range).unwrap();
                if (first..=last).contains(&slot) && owner.2 == own {
                    return index;
                }
            }
        }
        panic!("slot {slot} has no owner");
    }

    /// Moves the keys of a slot. Until [`Cluster::finish`] its owner sends clients on (ASK).
    pub async fn begin_to_move(&self, slot: u16, from: usize, to: usize) {
        let slot = slot.to_string();
        let (source, destination) = (self.id_of(from).await, self.id_of(to).await);
        let (from, to) = (&self.nodes[from], &self.nodes[to]);
        to.tell(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &source])
            .await;
        from.tell(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &destination])
            .await;
        wait::until("the keys have moved", async || {
            let words = ["CLUSTER", "GETKEYSINSLOT", &slot, "100"];
            let keys: Vec<String> = from.ask(&words).await.unwrap();
            for key in &keys {
                let port = to.port.to_string();
                from.tell(&["MIGRATE", "127.0.0.1", &port, key, "0", "5000"])
                    .await;
            }
            keys.is_empty()
        })
        .await;
    }

    /// Gives the slot to its new owner; every node knows at once (MOVED).
    pub async fn finish(&self, slot: u16, to: usize) {
        let id = self.id_of(to).await;
        let slot = slot.to_string();
        let others = (0..self.nodes.len()).filter(|index| *index != to);
        for index in std::iter::once(to).chain(others) {
            self.nodes[index]
                .tell(&["CLUSTER", "SETSLOT", &slot, "NODE", &id])
                .await;
        }
    }
}
