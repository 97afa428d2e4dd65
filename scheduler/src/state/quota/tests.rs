use super::*;
use proptest::prelude::*;

const NOW: Now = Now { time: Millis(0), wall: crate::time::WallMicros(0) };

fn account(workspace: &str, team: Option<&str>) -> Account {
    Account {
        region: "r".into(),
        family: "f".into(),
        tier: Tier::Dedicated,
        workspace: workspace.into(),
        team: team.map(str::to_owned),
    }
}

fn key(workspace: Option<&str>, team: Option<&str>) -> QuotaKey {
    QuotaKey {
        region: "r".into(),
        family: Some("f".into()),
        tier: Tier::Dedicated,
        workspace: workspace.map(str::to_owned),
        team: team.map(str::to_owned),
    }
}

fn nominal(nominal: u64) -> Allowance {
    Allowance { nominal, ..Allowance::default() }
}

/// The tree of Kueue's worked example: A may lend 4 of its 10 and borrow 3, B has 10, C has none.
fn worked_example() -> Quota {
    let mut quota = Quota::default();
    quota.set(&key(None, None), Some(nominal(0)), NOW);
    let a = Allowance { lending_limit: Some(4), borrowing_limit: Some(3), ..nominal(10) };
    quota.set(&key(Some("A"), None), Some(a), NOW);
    quota.set(&key(Some("B"), None), Some(nominal(10)), NOW);
    quota
}

fn available(quota: &Quota) -> [i64; 3] {
    ["A", "B", "C"].map(|workspace| quota.available(&account(workspace, None), NOW))
}

#[test]
fn lending_and_borrowing_as_in_the_worked_example() {
    let mut quota = worked_example();
    assert_eq!(available(&quota), [13, 14, 14]);
    quota.grant(&account("B", None), 14, NOW);
    assert_eq!(available(&quota), [6, 0, 0]);
    quota.grant(&account("A", None), 6, NOW);
    assert_eq!(available(&quota)[0], 0);
    quota.refund(&account("B", None), Stage::Reserved, 5, NOW);
    assert_eq!(available(&quota), [5, 5, 5]);
    quota.grant(&account("A", None), 5, NOW);
    assert_eq!(available(&quota), [0, 0, 0]);
    let root = &quota.trees[&parts(&key(None, None)).0];
    assert_eq!(root.branch(&Scope::Region).map(|root| root.charged), Some(14));
    assert_eq!(quota.check(NOW), Vec::<String>::new());
}

#[test]
fn what_stands_in_the_way_is_named() {
    let mut quota = worked_example();
    quota.grant(&account("B", None), 14, NOW);
    let why = |quota: &Quota, workspace, vcpu| {
        let found = quota.exhausted(&account(workspace, None), vcpu, NOW);
        found.into_iter().map(|it| (it.key.workspace, it.why)).collect::<Vec<_>>()
    };
    assert_eq!(why(&quota, "A", 6), []);
    assert_eq!(why(&quota, "A", 7), [(None, Why::Lent { all: 14, used: 14 })]);
    let both =
        [(None, Why::Lent { all: 14, used: 14 }), (Some("A".into()), Why::Limit { limit: 13, used: 0 })];
    assert_eq!(why(&quota, "A", 14), both);
}

/// Three hundred GPUs, two equal workspaces; the first has three teams, one of weight 3 (KEP-1714, story 3).
#[test]
fn the_spare_is_split_by_weight_on_each_level() {
    let mut quota = Quota::default();
    quota.set(&key(None, None), Some(Allowance::limited(300)), NOW);
    let heavy = Allowance { weight: 3, ..Allowance::default() };
    quota.set(&key(Some("1"), Some("C")), Some(heavy), NOW);
    let teams = [("1", "A"), ("1", "B"), ("1", "C"), ("2", "A")];
    let accounts = teams.map(|(workspace, team)| account(workspace, Some(team)));
    while let Some(next) = accounts
        .iter()
        .filter(|account| quota.room(account, 1, NOW) > 0)
        .min_by_key(|account| quota.standing(account, 1, NOW))
    {
        quota.grant(next, 1, NOW);
    }
    let used = teams.map(|(workspace, team)| quota.usage(&key(Some(workspace), Some(team))).total());
    assert_eq!(used, [30, 30, 90, 150]);
}

#[test]
fn whoever_borrowed_lately_comes_later() {
    let mut quota = Quota::default();
    quota.set(&key(None, None), Some(Allowance::limited(10)), NOW);
    quota.grant(&account("A", None), 10, NOW);
    let day = Now { time: Millis::seconds(24 * 3600), ..NOW };
    quota.refund(&account("A", None), Stage::Reserved, 10, day);
    let standing = |workspace, now| quota.standing(&account(workspace, None), 1, now);
    assert!(standing("B", day) < standing("A", day));
    let years = Now { time: Millis(HALF_LIFE.0 * 100), ..NOW };
    assert_eq!(standing("B", years), standing("A", years));
}

#[test]
fn a_tier_may_have_one_limit_across_families_too() {
    let spot =
        |family: &str| Account { tier: Tier::LowPriority, family: family.into(), ..account("A", None) };
    let mut quota = Quota::default();
    let all = QuotaKey { family: None, tier: Tier::LowPriority, ..key(None, None) };
    quota.set(&all, Some(Allowance::limited(10)), NOW);
    quota.grant(&spot("f"), 6, NOW);
    assert_eq!(
        (quota.room(&spot("g"), 2, NOW), quota.room(&account("A", None), 1, NOW)),
        (2, UNLIMITED as u64)
    );
    let exhausted = quota.exhausted(&spot("g"), 5, NOW);
    assert_eq!(exhausted, [Exhausted { key: all, why: Why::Limit { limit: 10, used: 6 } }]);
}

#[test]
fn a_budget_that_is_used_up_grants_nothing_until_the_next_period() {
    let mut quota = Quota::default();
    let budget = Budget { vcpu_hours: 8, period: Period::Day };
    quota.set(&key(Some("A"), None), Some(Allowance { budget: Some(budget), ..Allowance::default() }), NOW);
    quota.grant(&account("A", Some("t")), 4, NOW);
    let hour = |hour: u64| {
        let time = Millis::seconds(hour * 3600);
        Now { time, wall: crate::time::WallMicros(time.0 * 1000) }
    };
    assert!(quota.room(&account("A", None), 1, hour(1)) > 0);
    assert_eq!(quota.room(&account("A", None), 1, hour(2)), 0);
    assert_eq!(quota.resets_in(&account("A", Some("t")), hour(2)), Some(Millis::seconds(22 * 3600)));
    assert!(quota.room(&account("A", None), 1, hour(24)) > 0);
}

#[test]
fn what_is_granted_below_is_granted_above() {
    let mut quota = Quota::default();
    quota.set(&key(None, None), Some(nominal(5)), NOW);
    quota.set(&key(Some("A"), Some("t")), Some(nominal(20)), NOW);
    assert_eq!(
        quota.available(&account("A", Some("t")), NOW),
        20,
        "a region has at least what its parts have"
    );
    quota.set(&key(None, None), Some(Allowance::limited(30)), NOW);
    assert_eq!(quota.available(&account("B", None), NOW), 30, "the parts' quota is part of the region's");
    quota.set(&key(None, None), Some(Allowance::limited(5)), NOW);
    assert_eq!(
        quota.available(&account("A", Some("t")), NOW),
        5,
        "a provider's limit holds, whatever was promised"
    );
}

fn allowance() -> impl Strategy<Value = Option<Allowance>> {
    let some = (0..30u64, prop::option::of(0..20u64), prop::option::of(0..20u64), 0..3u32).prop_map(
        |(nominal, borrowing_limit, lending_limit, weight)| {
            Some(Allowance { nominal, borrowing_limit, lending_limit, weight, budget: None })
        },
    );
    prop_oneof![1 => Just(None), 3 => some]
}

fn scopes() -> Vec<(Option<&'static str>, Option<&'static str>)> {
    let leaf = |workspace| [None, Some("x"), Some("y")].map(move |team| (Some(workspace), team));
    std::iter::once((None, None)).chain(leaf("A")).chain(leaf("B")).collect()
}

#[derive(Clone, Debug)]
enum Step {
    Set(usize, Option<Allowance>),
    Grant(usize, u64),
    Refund(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        1 => (0..7usize, allowance()).prop_map(|(scope, allowance)| Step::Set(scope, allowance)),
        3 => (1..7usize, 1..9u64).prop_map(|(scope, vcpu)| Step::Grant(scope, vcpu)),
        2 => any::<prop::sample::Index>().prop_map(|index| Step::Refund(index.index(1000))),
    ]
}

proptest! {
    /// Sums that are kept step by step are those made anew; what has room has no bar and the other way round; nobody's own
    /// is denied to him unless the region itself has no more.
    #[test]
    fn the_ledger_agrees_with_itself(steps in prop::collection::vec(step(), 1..60)) {
        let scopes = scopes();
        let account_of = |at: usize| account(scopes[at].0.unwrap_or_default(), scopes[at].1);
        let mut quota = Quota::default();
        let mut granted: Vec<(usize, u64)> = Vec::new();
        for step in steps {
            match step {
                Step::Set(at, allowance) => quota.set(&key(scopes[at].0, scopes[at].1), allowance, NOW),
                Step::Grant(at, vcpu) if quota.room(&account_of(at), vcpu, NOW) > 0 => {
                    quota.grant(&account_of(at), vcpu, NOW);
                    granted.push((at, vcpu));
                }
                Step::Grant(..) => {}
                Step::Refund(_) if granted.is_empty() => {}
                Step::Refund(index) => {
                    let (at, vcpu) = granted.swap_remove(index % granted.len());
                    quota.refund(&account_of(at), Stage::Reserved, vcpu, NOW);
                }
            }
            prop_assert_eq!(quota.check(NOW), Vec::<String>::new());
            let total: u64 = granted.iter().map(|(_, vcpu)| vcpu).sum();
            prop_assert_eq!(quota.usage(&key(None, None)).total(), total);
            for at in 1..scopes.len() {
                let account = account_of(at);
                let available = quota.available(&account, NOW);
                for vcpu in 1..40 {
                    let barred = !quota.exhausted(&account, vcpu, NOW).is_empty();
                    prop_assert_eq!(barred, signed_less(available, vcpu), "{:?} {} of {}", account, vcpu, available);
                }
            }
        }
    }
}

fn signed_less(available: i64, vcpu: u64) -> bool {
    available < vcpu as i64
}
