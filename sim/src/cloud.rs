//! What a provider of VMs really has: the truth, which its callers see late and in part.

use crate::clock::Micros;
use crate::random::Random;
use std::collections::BTreeMap;
use tidegate_scheduler::ids::NodeId;

/// How it behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CloudSettings {
    /// How long a VM takes until its worker starts, on average.
    pub boot: Micros,
    /// How long a VM takes to go, on average.
    pub delete: Micros,
    /// How old what it lists is.
    pub list_lag: Micros,
    /// Of a million VMs so many never start.
    pub never_boots: u32,
    /// Of a million requests for a VM so many time out although the VM is made.
    pub create_times_out: u32,
    /// So many make two.
    pub creates_twice: u32,
    /// Of a million deletions so many are accepted and forgotten.
    pub delete_ignored: u32,
}

/// One VM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vm {
    /// For which node it was made: its tag.
    pub node: NodeId,
    /// Since when it is paid for.
    pub born: Micros,
    /// When its worker starts, if it has not yet and ever will.
    boots: Option<Micros>,
    /// When it goes, if that was asked for.
    goes: Option<Micros>,
    /// When it went.
    went: Option<Micros>,
}

/// Why a VM was not made, or may not have been.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloudError {
    /// There is none of this size now.
    StockOut,
    /// No answer came.
    TimedOut,
}

/// What happened to a VM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloudEvent {
    /// Its worker starts.
    Booted {
        /// The VM.
        vm: u64,
        /// Its tag.
        node: NodeId,
    },
    /// It is no more.
    Gone {
        /// The VM.
        vm: u64,
    },
}

/// The provider's own truth.
#[derive(Debug)]
pub struct Cloud {
    settings: CloudSettings,
    random: Random,
    vms: BTreeMap<u64, Vm>,
    next: u64,
    stock_out: bool,
    tally: CloudTally,
}

/// How often it did what it should not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CloudTally {
    /// There was nothing to be had.
    pub stocked_out: u64,
    /// No answer came.
    pub timed_out: u64,
    /// Two were made.
    pub doubled: u64,
    /// One never starts.
    pub never_boots: u64,
    /// A deletion was forgotten.
    pub ignored: u64,
    /// A list showed what was gone, or did not show what was there.
    pub stale_lists: u64,
}

impl Cloud {
    /// One without VMs.
    pub fn new(settings: CloudSettings, random: Random) -> Cloud {
        Cloud {
            settings,
            random,
            vms: BTreeMap::new(),
            next: 0,
            stock_out: false,
            tally: CloudTally::default(),
        }
    }

    /// Makes a VM with a tag.
    ///
    /// # Errors
    /// When there is none, or when it is not known whether it was made.
    pub fn create(&mut self, now: Micros, node: NodeId) -> Result<u64, CloudError> {
        if self.stock_out {
            self.tally.stocked_out += 1;
            return Err(CloudError::StockOut);
        }
        let vm = self.make(now, node);
        if self.random.chance(self.settings.creates_twice) {
            self.tally.doubled += 1;
            self.make(now, node);
        }
        match self.random.chance(self.settings.create_times_out) {
            true => {
                self.tally.timed_out += 1;
                Err(CloudError::TimedOut)
            }
            false => Ok(vm),
        }
    }

    fn make(&mut self, now: Micros, node: NodeId) -> u64 {
        self.next += 1;
        let never = self.random.chance(self.settings.never_boots);
        self.tally.never_boots += u64::from(never);
        let boot = Micros(self.settings.boot.0 / 4 + self.random.exponential(self.settings.boot.0 * 3 / 4));
        let boots = (!never).then(|| now.after(boot));
        self.vms.insert(self.next, Vm { node, born: now, boots, goes: None, went: None });
        self.next
    }

    /// Takes a VM away; tells whether it will really go.
    pub fn delete(&mut self, now: Micros, vm: u64) -> bool {
        if self.random.chance(self.settings.delete_ignored) {
            self.tally.ignored += 1;
            return false;
        }
        let span = Micros(self.random.exponential(self.settings.delete.0));
        if let Some(vm) = self.vms.get_mut(&vm) {
            vm.goes.get_or_insert(now.after(span));
        }
        true
    }

    /// A VM disappears, and nobody is told.
    pub fn vanish(&mut self, now: Micros, vm: u64) {
        if let Some(vm) = self.vms.get_mut(&vm) {
            vm.goes = Some(now);
        }
    }

    /// What a caller sees: the VMs as they were a while ago.
    pub fn list(&mut self, now: Micros) -> Vec<(u64, NodeId)> {
        let then = now.since(self.settings.list_lag);
        let shown = |vm: &Vm| vm.born <= then && vm.went.is_none_or(|went| went > then);
        let is_stale = self.vms.values().any(|vm| shown(vm) != vm.went.is_none());
        self.tally.stale_lists += u64::from(is_stale);
        self.vms.iter().filter(|(_, vm)| shown(vm)).map(|(id, vm)| (*id, vm.node)).collect()
    }

    /// What there is and is paid for.
    pub fn truth(&self) -> impl Iterator<Item = (u64, &Vm)> {
        self.vms.iter().filter(|(_, vm)| vm.went.is_none()).map(|(id, vm)| (*id, vm))
    }

    /// When something happens by itself.
    pub fn next_at(&self) -> Option<Micros> {
        self.truth().filter_map(|(_, vm)| [vm.boots, vm.goes].into_iter().flatten().min()).min()
    }

    /// What has happened by itself up to now.
    pub fn advance(&mut self, now: Micros) -> Vec<CloudEvent> {
        let mut events = Vec::new();
        for (id, vm) in self.vms.iter_mut().filter(|(_, vm)| vm.went.is_none()) {
            if vm.goes.is_some_and(|goes| goes <= now) {
                (vm.went, vm.boots) = (Some(now), None);
                events.push(CloudEvent::Gone { vm: *id });
            } else if vm.boots.take_if(|boots| *boots <= now).is_some() {
                events.push(CloudEvent::Booted { vm: *id, node: vm.node });
            }
        }
        let then = now.since(self.settings.list_lag);
        self.vms.retain(|_, vm| vm.went.is_none_or(|went| went > then));
        events
    }

    /// There are no VMs to be had, or there are again.
    pub fn set_stock_out(&mut self, out: bool) {
        self.stock_out = out;
    }

    /// How often it did what it should not.
    pub fn tally(&self) -> CloudTally {
        self.tally
    }

    /// From now on it does what it says.
    pub fn calm(&mut self) {
        self.stock_out = false;
        let none = CloudSettings {
            never_boots: 0,
            create_times_out: 0,
            creates_twice: 0,
            delete_ignored: 0,
            ..self.settings
        };
        self.settings = none;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cloud(settings: CloudSettings) -> Cloud {
        Cloud::new(settings, Random::new(1))
    }

    fn calm() -> CloudSettings {
        CloudSettings {
            boot: Micros::seconds(20),
            delete: Micros::seconds(5),
            list_lag: Micros::seconds(3),
            never_boots: 0,
            create_times_out: 0,
            creates_twice: 0,
            delete_ignored: 0,
        }
    }

    #[test]
    fn a_vm_boots_and_goes_and_lists_are_late() {
        let mut cloud = cloud(calm());
        let vm = cloud.create(Micros::seconds(10), NodeId(7)).expect("there are some");
        assert!(cloud.list(Micros::seconds(12)).is_empty());
        assert_eq!(cloud.list(Micros::seconds(13)), [(vm, NodeId(7))]);
        let boots = cloud.next_at().expect("it boots");
        assert_eq!(cloud.advance(boots), [CloudEvent::Booted { vm, node: NodeId(7) }]);
        assert!(cloud.delete(boots, vm));
        let goes = cloud.next_at().expect("it goes");
        assert_eq!(cloud.advance(goes), [CloudEvent::Gone { vm }]);
        assert_eq!(cloud.truth().count(), 0);
        assert_eq!(cloud.list(goes).len(), 1, "the list still shows it");
        assert!(cloud.list(goes.after(Micros::seconds(3))).is_empty());
    }

    #[test]
    fn it_fails_in_the_ways_that_were_drawn() {
        let all = 1_000_000;
        let mut timed_out = cloud(CloudSettings { create_times_out: all, creates_twice: all, ..calm() });
        assert_eq!(timed_out.create(Micros(0), NodeId(1)), Err(CloudError::TimedOut));
        assert_eq!(timed_out.truth().count(), 2);
        let mut stuck = cloud(CloudSettings { never_boots: all, delete_ignored: all, ..calm() });
        let vm = stuck.create(Micros(0), NodeId(1)).expect("there are some");
        assert!(!stuck.delete(Micros(0), vm));
        assert_eq!(stuck.next_at(), None);
        stuck.set_stock_out(true);
        assert_eq!(stuck.create(Micros(0), NodeId(2)), Err(CloudError::StockOut));
        stuck.calm();
        assert!(stuck.create(Micros(0), NodeId(2)).is_ok() && stuck.delete(Micros(0), vm));
    }
}
