//! Drawing what is about sharing: teams, allowances, order, and runs that wait for others.

use super::Draw;
use tidegate_scheduler::command::{
    After, ClientCommand, DependsOn, QueueOrder, QuotaKey, RunLimits, Scheduling,
};
use tidegate_scheduler::limits::agreed;
use tidegate_scheduler::resources::Tier;
use tidegate_scheduler::state::DEFAULT_WORKSPACE;
use tidegate_scheduler::state::quota::{Allowance, Budget, Period};

impl Draw<'_> {
    fn team(&mut self) -> String {
        format!("team-{}", self.random.below(self.mix.teams))
    }

    pub(super) fn team_of_pool(&mut self) -> Option<String> {
        self.random.chance(self.mix.team_pools).then(|| self.team())
    }

    pub(super) fn order(&mut self) -> QueueOrder {
        if self.random.chance(self.mix.strict) { QueueOrder::Strict } else { QueueOrder::Fair }
    }

    pub(super) fn priority(&mut self) -> u8 {
        match self.random.chance(self.mix.priorities) {
            true => self.random.below(101) as u8,
            false => [0, 50, 50, 50, 90][self.random.below(5) as usize],
        }
    }

    pub(super) fn scheduling(&mut self) -> Scheduling {
        let after = if self.random.chance(self.mix.after) { self.prerequisites() } else { Vec::new() };
        Scheduling {
            team: self.random.chance(self.mix.of_teams).then(|| self.team()),
            after,
            max_concurrent: self
                .random
                .chance(self.mix.capped)
                .then(|| self.random.scale(1..=self.mix.elements_max) as u32),
        }
    }

    /// Mostly of what was submitted; now and then one that nobody knows, or one twice.
    fn prerequisites(&mut self) -> Vec<After> {
        let mut after: Vec<After> = Vec::new();
        for _ in 0..self.random.between(1..=3) {
            let on =
                [DependsOn::Completed, DependsOn::Failed, DependsOn::Ended][self.random.below(3) as usize];
            let last = self.runs.len().saturating_sub(1) as u64;
            let run = match self.random.below(40) {
                0 => "no-such-run".to_owned(),
                1 => format!("run-{}", last + 1 + self.random.below(3)),
                2..=5 if !after.is_empty() => after[0].run.clone(),
                // Those that were drawn last may come later than this one.
                _ => format!("run-{}", self.random.below(last + 1)),
            };
            after.push(After { run, on });
        }
        after
    }

    pub(super) fn run_limits(&mut self) -> ClientCommand {
        let limits = match self.random.below(8) {
            0 => RunLimits::default(),
            1 => RunLimits { max_running: Some(0), max_open: None },
            _ => RunLimits {
                max_running: self.random.flip().then(|| self.random.scale(1..=20) as u32),
                max_open: self.random.flip().then(|| self.random.scale(5..=200) as u32),
            },
        };
        ClientCommand::SetWorkspace { workspace: DEFAULT_WORKSPACE.into(), limits }
    }

    pub(super) fn quota(&mut self) -> ClientCommand {
        let family = format!("sim{}", self.random.below(self.mix.families));
        let mut key = QuotaKey {
            region: "sim".into(),
            family: Some(family),
            tier: Tier::Dedicated,
            workspace: self.random.flip().then(|| DEFAULT_WORKSPACE.into()),
            team: None,
        };
        let amount = self.random.between(2..=40);
        if !self.random.chance(self.mix.trees) {
            let allowance = match self.random.below(6) {
                0 => None,
                1 => Some(Allowance::limited(0)),
                _ => Some(Allowance::limited(amount)),
            };
            return ClientCommand::SetQuota { key, allowance };
        }
        if self.random.below(4) == 0 {
            key.family = None;
        }
        if self.random.below(3) > 0 {
            key.workspace = Some(DEFAULT_WORKSPACE.into());
            key.team = self.random.flip().then(|| self.team());
        }
        let allowance = match self.random.below(8) {
            0 => None,
            1 => Some(Allowance::capped(amount)),
            2 => Some(Allowance::limited(amount)),
            _ => Some(self.allowance(amount, key.workspace.is_some())),
        };
        ClientCommand::SetQuota { key, allowance }
    }

    fn allowance(&mut self, nominal: u64, lends: bool) -> Allowance {
        let budget = (self.random.below(4) == 0).then(|| Budget {
            vcpu_hours: self.random.below(4),
            period: [Period::Day, Period::Week, Period::Month][self.random.below(3) as usize],
        });
        Allowance {
            nominal,
            borrowing_limit: self.random.flip().then(|| self.random.between(0..=20)),
            lending_limit: (lends && self.random.flip()).then(|| self.random.between(0..=20)),
            weight: [0, 1, 1, 2, 5, 1000][self.random.below(6) as usize],
            budget,
        }
    }

    /// One that nobody can have meant, or at the end of what can be counted.
    pub(super) fn odd_allowance(&mut self, name: String, number: u64) -> ClientCommand {
        let key = QuotaKey {
            region: "odd".into(),
            family: None,
            tier: Tier::LowPriority,
            workspace: None,
            team: None,
        };
        let workspace = Some(DEFAULT_WORKSPACE.to_owned());
        let usual = Allowance::limited(8);
        let of_workspace = QuotaKey { workspace: workspace.clone(), ..key.clone() };
        let budget = Some(Budget { vcpu_hours: number, period: Period::Day });
        let (key, allowance) = match self.random.below(10) {
            0 => (QuotaKey { region: name, ..key }, Allowance::limited(number)),
            1 => (QuotaKey { workspace: Some(name), ..key }, usual),
            2 => (QuotaKey { team: Some("a".into()), ..key }, usual),
            3 => (QuotaKey { team: Some(name), workspace, ..key }, usual),
            4 => (key, Allowance { lending_limit: Some(1), ..usual }),
            5 => (of_workspace, Allowance { weight: 1001, ..usual }),
            6 => (of_workspace, Allowance { borrowing_limit: Some(number), ..usual }),
            7 => (of_workspace, Allowance { budget, ..usual }),
            8 => (of_workspace, Allowance::limited(agreed::VCPU)),
            _ => (of_workspace, Allowance::limited(agreed::VCPU + 1)),
        };
        let allowance = (self.random.below(8) > 0).then_some(allowance);
        ClientCommand::SetQuota { key, allowance }
    }
}
