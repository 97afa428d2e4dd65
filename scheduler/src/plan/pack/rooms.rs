//! Finds the best place without looking at every node: nodes with the same room are rated once, and only those whose
//! room has changed since a shape last asked are rated anew.

use super::{Devices, Rating, Room, Rule, Shape};
use crate::ids::NodeId;
use std::collections::{BTreeMap, BTreeSet};

/// For how many shapes the ratings are remembered: the rest is forgotten, the longest unasked first.
const SHAPES: usize = 128;

/// What is free on each node, under a rule.
#[derive(Clone, Debug)]
pub struct Rooms<R> {
    rule: R,
    nodes: BTreeMap<NodeId, (Room, GroupId)>,
    groups: BTreeMap<GroupId, Group>,
    by_room: BTreeMap<Room, GroupId>,
    next_group: GroupId,
    rankings: BTreeMap<Shape, Ranking>,
    questions: u64,
}

/// Numbered in the order in which they came to be; never used again.
type GroupId = u64;

/// Nodes that are alike for every task.
#[derive(Clone, Debug)]
struct Group {
    room: Room,
    nodes: BTreeSet<NodeId>,
}

/// The groups that have room for a shape, by how good they are. Those that are gone since are dropped when met.
#[derive(Clone, Debug, Default)]
struct Ranking {
    groups: BTreeSet<(Rating, GroupId)>,
    /// Groups from this number on are not yet rated.
    rated: GroupId,
    asked: u64,
}

/// Where a task should go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The node.
    pub node: NodeId,
    /// Its GPUs for the task.
    pub devices: Devices,
    /// How good that is.
    pub rating: Rating,
}

impl<R: Rule> Rooms<R> {
    /// No node yet.
    pub fn new(rule: R) -> Rooms<R> {
        Rooms {
            rule,
            nodes: BTreeMap::new(),
            groups: BTreeMap::new(),
            by_room: BTreeMap::new(),
            next_group: 0,
            rankings: BTreeMap::new(),
            questions: 0,
        }
    }

    /// What rates the places.
    pub fn rule(&self) -> &R {
        &self.rule
    }

    /// Another rule, for example because other tasks are typical now; all is rated anew.
    pub fn set_rule(&mut self, rule: R) {
        self.rule = rule;
        self.rankings.clear();
    }

    /// A node has this room now, whether it was known or not.
    pub fn put(&mut self, node: NodeId, room: Room) {
        self.remove(node);
        let canonical = room.canonical();
        let group = *self.by_room.entry(canonical).or_insert_with(|| {
            let id = self.next_group;
            self.next_group += 1;
            self.groups.insert(id, Group { room: canonical, nodes: BTreeSet::new() });
            id
        });
        if let Some(group) = self.groups.get_mut(&group) {
            group.nodes.insert(node);
        }
        self.nodes.insert(node, (room, group));
    }

    /// A node is there no longer; tells what was free on it.
    pub fn remove(&mut self, node: NodeId) -> Option<Room> {
        let (room, id) = self.nodes.remove(&node)?;
        let group = self.groups.get_mut(&id)?;
        group.nodes.remove(&node);
        if group.nodes.is_empty() {
            self.by_room.remove(&group.room);
            self.groups.remove(&id);
        }
        Some(room)
    }

    /// What is free on a node.
    pub fn room(&self, node: NodeId) -> Option<&Room> {
        Some(&self.nodes.get(&node)?.0)
    }

    /// The nodes and what is free on each.
    pub fn iter(&self) -> impl Iterator<Item = (NodeId, &Room)> {
        self.nodes.iter().map(|(node, (room, _))| (*node, room))
    }

    /// A task of this shape has these devices of the node from now on; `None`, and nothing changes, if it does not
    /// fit.
    pub fn take(&mut self, node: NodeId, shape: &Shape, devices: Devices) -> Option<()> {
        let left = self.room(node)?.minus(shape, devices)?;
        self.put(node, left);
        Some(())
    }

    /// A task of this shape has given these devices of the node back; `None`, and nothing changes, if it cannot have
    /// had them.
    pub fn give_back(&mut self, node: NodeId, shape: &Shape, devices: Devices) -> Option<()> {
        let room = self.room(node)?.plus(shape, devices)?;
        self.put(node, room);
        Some(())
    }

    /// The best place for a task of this shape, on any node but those in `without`; of equally good ones, the node
    /// with the smallest number.
    pub fn best(&mut self, shape: &Shape, without: &BTreeSet<NodeId>) -> Option<Choice> {
        self.refresh(shape);
        let ranking = self.rankings.get_mut(shape)?;
        let mut found: Option<(Rating, NodeId)> = None;
        let mut gone = Vec::new();
        for (rating, id) in ranking.groups.iter().rev() {
            if found.is_some_and(|(best, _)| best > *rating) {
                break;
            }
            let Some(group) = self.groups.get(id) else {
                gone.push((*rating, *id));
                continue;
            };
            if let Some(node) = group.nodes.iter().find(|node| !without.contains(node)) {
                found = Some(found.map_or((*rating, *node), |(_, first)| (*rating, first.min(*node))));
            }
        }
        for entry in gone {
            ranking.groups.remove(&entry);
        }
        let (rating, node) = found?;
        // Rated again in the order of its own devices.
        let devices = self.rule.rate(self.room(node)?, shape)?.devices;
        Some(Choice { node, devices, rating })
    }

    /// Rates the groups that are new since the shape last asked.
    fn refresh(&mut self, shape: &Shape) {
        if self.rankings.len() >= SHAPES && !self.rankings.contains_key(shape) {
            let oldest = self.rankings.iter().min_by_key(|(_, ranking)| ranking.asked);
            if let Some(oldest) = oldest.map(|(shape, _)| *shape) {
                self.rankings.remove(&oldest);
            }
        }
        self.questions += 1;
        let ranking = self.rankings.entry(*shape).or_default();
        ranking.asked = self.questions;
        for (id, group) in self.groups.range(ranking.rated..) {
            if let Some(rated) = self.rule.rate(&group.room, shape) {
                ranking.groups.insert((rated.rating, *id));
            }
        }
        ranking.rated = self.next_group;
        if ranking.groups.len() > 2 * self.groups.len() + 64 {
            ranking.groups.retain(|(_, id)| self.groups.contains_key(id));
        }
    }
}
