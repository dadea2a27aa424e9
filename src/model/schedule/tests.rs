use std::iter::repeat_with;

use proptest::prelude::*;

use super::*;

fn push(by: AccountId) -> Job {
    Job { app: Some(AppId::new()), by, priority: Priority::Push }
}

fn with(priority: Priority, by: AccountId) -> Job {
    Job { priority, ..push(by) }
}

fn finish(schedule: &mut Schedule, number: JobNumber) {
    schedule.end(number);
    schedule.free(number);
}

/// Starts, and ends at once, one job after the other.
fn run_all(schedule: &mut Schedule) -> Vec<JobNumber> {
    let run_one = || {
        let number = schedule.start_next()?;
        finish(schedule, number);
        Some(number)
    };
    std::iter::from_fn(run_one).collect()
}

#[test]
fn a_single_push_waits_for_one_of_a_hundred_at_most() {
    for slots in [1, 2, 4] {
        let (alice, bob) = (AccountId::new(), AccountId::new());
        let mut schedule = Schedule::new(slots, 0);
        let hundred: Vec<_> = repeat_with(|| schedule.enter(push(alice))).take(100).collect();
        let started: Vec<_> = std::iter::from_fn(|| schedule.start_next()).collect();
        assert_eq!(started, hundred[..slots]);
        let single = schedule.enter(push(bob));
        finish(&mut schedule, started[0]);
        assert_eq!(schedule.start_next(), Some(single));
    }
}

#[test]
fn users_take_turns() {
    let (alice, bob) = (AccountId::new(), AccountId::new());
    let mut schedule = Schedule::new(1, 0);
    let of_alice: Vec<_> = repeat_with(|| schedule.enter(push(alice))).take(3).collect();
    let of_bob: Vec<_> = repeat_with(|| schedule.enter(push(bob))).take(3).collect();
    let expected: Vec<_> = of_alice.into_iter().zip(of_bob).flat_map(|(one, other)| [one, other]).collect();
    assert_eq!(schedule.forecast(100), expected);
    assert_eq!(schedule.forecast(2), expected[..2]);
    assert_eq!(run_all(&mut schedule), expected);
}

#[test]
fn what_somebody_waits_for_comes_first() {
    let by = AccountId::new();
    let mut schedule = Schedule::new(1, 0);
    let priorities = [Priority::Background, Priority::AutoDeploy, Priority::Request, Priority::Push];
    let mut entered: Vec<_> = priorities.iter().map(|priority| schedule.enter(with(*priority, by))).collect();
    entered.reverse();
    assert_eq!(run_all(&mut schedule), entered);
}

#[test]
fn who_was_overtaken_often_becomes_more_urgent() {
    let (ci, pusher) = (AccountId::new(), AccountId::new());
    let mut schedule = Schedule::new(1, 0);
    let tests = schedule.enter(with(Priority::Background, ci));
    let mut overtaken = 0;
    loop {
        schedule.enter(push(pusher));
        let started = schedule.start_next().unwrap();
        finish(&mut schedule, started);
        if started == tests {
            break;
        }
        overtaken += 1;
    }
    assert_eq!(overtaken, 3 * PATIENCE);
}

#[test]
fn an_apps_builds_keep_their_order_and_lend_their_urgency() {
    let (one, other) = (AccountId::new(), AccountId::new());
    let mut schedule = Schedule::new(2, 0);
    let background = with(Priority::Background, one);
    let (first, deploy) = (schedule.enter(background), schedule.enter(with(Priority::AutoDeploy, other)));
    let second = schedule.enter(Job { by: other, priority: Priority::Push, ..background });
    assert_eq!(schedule.ahead_in_app(second), Some(1));
    // Somebody waits for `first`.
    assert_eq!(schedule.forecast(3), [first, deploy, second]);
    assert_eq!((schedule.start_next(), schedule.start_next(), schedule.start_next()), (Some(first), Some(deploy), None));
    // Its environment may still be there.
    schedule.end(first);
    assert_eq!((schedule.ahead_in_app(second), schedule.start_next()), (Some(0), None));
    schedule.free(first);
    assert_eq!(schedule.start_next(), Some(second));
    schedule.free(deploy);
    assert_eq!(schedule.ahead_in_app(deploy), None);
}

#[test]
fn a_user_has_no_more_than_is_allowed() {
    let (alice, bob) = (AccountId::new(), AccountId::new());
    let mut schedule = Schedule::new(3, 1);
    let (first, second) = (schedule.enter(push(alice)), schedule.enter(push(alice)));
    assert_eq!((schedule.start_next(), schedule.start_next()), (Some(first), None));
    let of_bob = schedule.enter(push(bob));
    assert_eq!((schedule.start_next(), schedule.start_next()), (Some(of_bob), None));
    assert!(schedule.waits_for_own(second) && !schedule.waits_for_own(of_bob));
    finish(&mut schedule, first);
    assert_eq!(schedule.start_next(), Some(second));
}

#[test]
fn who_goes_away_is_forgotten() {
    let by = AccountId::new();
    let mut schedule = Schedule::new(1, 0);
    let (running, waiting) = (schedule.enter(push(by)), schedule.enter(push(by)));
    let tests = schedule.enter(Job { app: None, ..push(AccountId::new()) });
    schedule.start_next();
    schedule.end(waiting);
    assert_eq!(schedule.waiting().collect::<Vec<_>>(), [tests]);
    finish(&mut schedule, running);
    assert_eq!((schedule.start_next(), schedule.turns.len()), (Some(tests), 1));
    schedule.free(tests);
    assert!(schedule.running.is_empty() && schedule.turns.is_empty());
}

#[test]
fn who_needs_no_slot_keeps_the_apps_order() {
    let job = push(AccountId::new());
    let mut schedule = Schedule::new(1, 0);
    let (running, first, second) = (schedule.enter(push(job.by)), schedule.enter(job), schedule.enter(job));
    schedule.start_next();
    schedule.free(first);
    finish(&mut schedule, running);
    assert_eq!((schedule.start_next(), schedule.ahead_in_app(second)), (None, Some(1)));
    schedule.end(first);
    assert_eq!(schedule.start_next(), Some(second));
}

/// What may happen to a schedule. Numbers choose among what is there.
#[derive(Debug, Clone)]
enum Step {
    Enter { app: Option<usize>, by: usize, priority: Priority },
    End(usize),
    Free(usize),
    Withdraw(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let priority =
        prop_oneof![Just(Priority::Push), Just(Priority::Request), Just(Priority::AutoDeploy), Just(Priority::Background)];
    let enter = (proptest::option::of(0_usize..6), 0_usize..4, priority);
    let step = prop_oneof![
        4 => enter.prop_map(|(app, by, priority)| Step::Enter { app, by, priority }),
        2 => any::<usize>().prop_map(Step::End),
        2 => any::<usize>().prop_map(Step::Free),
        1 => any::<usize>().prop_map(Step::Withdraw),
    ];
    proptest::collection::vec(step, 0..120)
}

fn nth<T: Copy>(of: impl Iterator<Item = T>, index: usize) -> Option<T> {
    let all: Vec<_> = of.collect();
    all.get(index % all.len().max(1)).copied()
}

/// Does the step, then starts what may start.
fn take(schedule: &mut Schedule, step: &Step, apps: &[AppId], users: &[AccountId]) -> Vec<(JobNumber, Job)> {
    match *step {
        Step::Enter { app, by, priority } => {
            schedule.enter(Job { app: app.map(|app| apps[app]), by: users[by], priority });
        }
        Step::End(index) => nth(schedule.running.keys().copied(), index).into_iter().for_each(|number| schedule.end(number)),
        Step::Free(index) => nth(schedule.running.keys().copied(), index).into_iter().for_each(|number| schedule.free(number)),
        Step::Withdraw(index) => nth(schedule.waiting(), index).into_iter().for_each(|number| schedule.end(number)),
    }
    let start = || schedule.start_next().map(|number| (number, schedule.running[&number].job));
    std::iter::from_fn(start).collect()
}

fn take_all(schedule: &mut Schedule, steps: &[Step], apps: &[AppId], users: &[AccountId]) {
    for step in steps {
        take(schedule, step, apps, users);
    }
}

proptest! {
    #[test]
    fn builders_are_never_idle_nor_overrun_and_apps_keep_their_order(
        steps in steps(), slots in 1_usize..4, most_per_user in 0_usize..3,
    ) {
        let (apps, users) = ([(); 6].map(|()| AppId::new()), [(); 4].map(|()| AccountId::new()));
        let mut schedule = Schedule::new(slots, most_per_user);
        let mut last_started: HashMap<AppId, JobNumber> = HashMap::new();
        for step in &steps {
            for (number, job) in take(&mut schedule, step, &apps, &users) {
                let before = job.app.and_then(|app| last_started.insert(app, number));
                prop_assert!(before < Some(number));
            }
            let with_slot: Vec<_> = schedule.running.values().filter(|running| running.has_slot).map(|running| running.job).collect();
            let of_user = |by| with_slot.iter().filter(|job| job.by == by).count();
            let is_full = |by| most_per_user > 0 && of_user(by) >= most_per_user;
            prop_assert!(with_slot.len() <= slots);
            prop_assert!(most_per_user == 0 || users.iter().all(|by| of_user(*by) <= most_per_user));
            let building: Vec<_> = schedule.running.values().filter(|running| running.has_app).filter_map(|running| running.job.app).collect();
            prop_assert_eq!(building.iter().collect::<HashSet<_>>().len(), building.len());
            // Whoever waits although a builder is free waits for their own app, or for their own builds.
            let waits_for_others = |(number, waiting): (&JobNumber, &Waiting)| {
                schedule.ahead_in_app(*number) == Some(0) && !is_full(waiting.job.by)
            };
            prop_assert!(with_slot.len() == slots || !schedule.waiting.iter().any(waits_for_others));
        }
    }

    #[test]
    fn what_is_forecast_happens(steps in steps(), slots in 1_usize..4) {
        let (apps, users) = ([(); 6].map(|()| AppId::new()), [(); 4].map(|()| AccountId::new()));
        let mut schedule = Schedule::new(slots, 0);
        take_all(&mut schedule, &steps, &apps, &users);
        let forecast = schedule.forecast(usize::MAX);
        prop_assert_eq!(forecast.len(), schedule.waiting.len());
        let mut happened = Vec::new();
        while let Some(first) = schedule.running.iter().min_by_key(|(_, running)| running.order).map(|(number, _)| *number) {
            finish(&mut schedule, first);
            happened.extend(std::iter::from_fn(|| schedule.start_next()));
        }
        prop_assert_eq!(happened, forecast);
    }

    /// Whatever waits already: of each other user, one build at most starts before a push of somebody who has nothing else.
    #[test]
    fn a_push_is_kept_waiting_by_one_build_of_each_user(steps in steps(), slots in 1_usize..4, ends in proptest::collection::vec(any::<usize>(), 1..300)) {
        let (apps, users) = ([(); 6].map(|()| AppId::new()), [(); 4].map(|()| AccountId::new()));
        let mut schedule = Schedule::new(slots, 0);
        take_all(&mut schedule, &steps, &apps, &users);
        let single = schedule.enter(push(AccountId::new()));
        let mut before: HashMap<AccountId, usize> = HashMap::new();
        for end in ends {
            if let Some(number) = nth(schedule.running.keys().copied(), end) {
                finish(&mut schedule, number);
            }
            while let Some(number) = schedule.start_next() {
                if number == single {
                    return Ok(());
                }
                let count = before.entry(schedule.running[&number].job.by).or_default();
                *count += 1;
                prop_assert_eq!(*count, 1);
            }
        }
    }

    /// Also when somebody new pushes whenever a builder becomes free, and for ever.
    #[test]
    fn nobody_starves(steps in steps(), slots in 1_usize..4, chosen in any::<usize>()) {
        let (apps, users) = ([(); 6].map(|()| AppId::new()), [(); 4].map(|()| AccountId::new()));
        let mut schedule = Schedule::new(slots, 0);
        take_all(&mut schedule, &steps[..steps.len().min(30)], &apps, &users);
        let Some(chosen) = nth(schedule.waiting(), chosen) else { return Ok(()) };
        let jobs = schedule.waiting.len() + schedule.running.len() + 1;
        for _ in 0..jobs * (jobs + slots + 3 * PATIENCE as usize) {
            schedule.enter(push(AccountId::new()));
            if let Some(first) = schedule.running.iter().min_by_key(|(_, running)| running.order).map(|(number, _)| *number) {
                finish(&mut schedule, first);
            }
            while let Some(number) = schedule.start_next() {
                if number == chosen {
                    return Ok(());
                }
            }
        }
        prop_assert!(false, "it has not started");
    }
}
