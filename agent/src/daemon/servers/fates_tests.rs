use mcpolicy_platform::processes::Started;

use super::*;

const fn process(pid: u32) -> Instance {
    Instance { pid, started: Started(7) }
}

const SERVER: Instance = process(100);
const PART: Instance = process(101);
const GOES_ON: &dyn Fn(Instance) -> bool = &|_| true;
const IS_GONE: &dyn Fn(Instance) -> bool = &|_| false;

fn seen(standing: Standing) -> Vec<Sight> {
    vec![Sight { server: SERVER, parts: vec![PART], standing }]
}

fn denied(has_no_grace: bool, is_to_end: bool) -> Vec<Sight> {
    seen(Standing::Denied { has_no_grace, is_to_end })
}

/// A clock of seconds since the beginning.
struct Test {
    fates: Fates,
    begun: Instant,
    may_end: bool,
}

impl Test {
    fn new() -> Self {
        Self { fates: Fates::default(), begun: Instant::now(), may_end: true }
    }

    fn at(&mut self, second: u64, sights: &[Sight], is_running: &dyn Fn(Instance) -> bool) -> Vec<Step> {
        let now = self.begun + Duration::from_secs(second);
        self.fates.look(now, sights, self.may_end, is_running).into_iter().map(|(_, step)| step).collect()
    }

    fn next(&self) -> Option<u64> {
        self.fates.next().map(|next| (next - self.begun).as_secs())
    }
}

#[test]
fn a_denied_server_is_told_of_then_asked_after_a_minute_and_killed_ten_seconds_later() {
    let mut test = Test::new();
    let minute = Duration::from_secs(60);
    assert_eq!(test.at(0, &denied(false, true), GOES_ON), [Step::Warn(minute)]);
    assert_eq!(test.next(), Some(60));
    for second in [10, 20, 59] {
        assert_eq!(test.at(second, &denied(false, true), GOES_ON), [], "{second}");
    }
    assert_eq!(test.at(60, &denied(false, true), GOES_ON), [Step::AskToEnd(vec![SERVER, PART])]);
    assert_eq!(test.next(), Some(61));
    assert_eq!(test.at(61, &denied(false, true), GOES_ON), []);
    assert_eq!(test.at(69, &denied(false, true), GOES_ON), []);
    assert_eq!(test.at(70, &denied(false, true), GOES_ON), [Step::Kill(vec![SERVER, PART])]);
    assert_eq!(test.at(71, &[], IS_GONE), [Step::Ended { is_killed: true }]);
    assert_eq!((test.next(), test.fates.followed().count()), (None, 0));
}

#[test]
fn a_server_that_ends_when_it_is_asked_is_not_killed() {
    let mut test = Test::new();
    test.at(0, &denied(false, true), GOES_ON);
    test.at(60, &denied(false, true), GOES_ON);
    assert_eq!(test.at(61, &[], IS_GONE), [Step::Ended { is_killed: false }]);
    assert_eq!(test.at(70, &[], IS_GONE), []);
}

#[test]
fn what_was_revoked_is_asked_at_once() {
    let mut test = Test::new();
    let steps = test.at(0, &denied(true, true), GOES_ON);
    assert_eq!(steps, [Step::Warn(Duration::ZERO), Step::AskToEnd(vec![SERVER, PART])]);
    assert_eq!(test.at(10, &denied(true, true), GOES_ON), [Step::Kill(vec![SERVER, PART])]);
}

#[test]
fn a_revocation_ends_a_grace_that_has_begun() {
    let mut test = Test::new();
    test.at(0, &denied(false, true), GOES_ON);
    assert_eq!(test.at(20, &denied(true, true), GOES_ON), [Step::AskToEnd(vec![SERVER, PART])]);
}

#[test]
fn where_nothing_is_to_be_ended_it_is_told_once_and_nothing_is_done() {
    let mut test = Test::new();
    assert_eq!(test.at(0, &denied(true, false), GOES_ON), [Step::Report]);
    for second in [10, 60, 600] {
        assert_eq!(test.at(second, &denied(true, false), GOES_ON), [], "{second}");
    }
    assert_eq!(test.next(), None, "nobody is woken for it");
}

#[test]
fn a_policy_that_begins_to_stop_servers_gives_those_that_run_their_grace() {
    let mut test = Test::new();
    test.at(0, &denied(false, false), GOES_ON);
    assert_eq!(test.at(600, &denied(false, true), GOES_ON), [Step::Warn(Duration::from_secs(60))]);
    assert_eq!(test.at(659, &denied(false, true), GOES_ON), []);
    assert_eq!(test.at(660, &denied(false, true), GOES_ON), [Step::AskToEnd(vec![SERVER, PART])]);
}

#[test]
fn a_mode_that_is_lowered_stops_what_goes_on() {
    let mut test = Test::new();
    test.at(0, &denied(false, true), GOES_ON);
    assert_eq!(test.at(30, &denied(false, false), GOES_ON), [Step::Spare]);
    assert_eq!(test.at(60, &denied(false, false), GOES_ON), []);
    let mut test = Test::new();
    test.at(0, &denied(true, true), GOES_ON);
    assert_eq!(test.at(5, &denied(true, false), GOES_ON), [Step::Spare]);
    assert_eq!(test.at(10, &denied(true, false), GOES_ON), []);
}

#[test]
fn what_a_newer_policy_allows_is_spared() {
    let mut test = Test::new();
    test.at(0, &denied(false, true), GOES_ON);
    assert_eq!(test.at(30, &seen(Standing::Allowed), GOES_ON), [Step::Spare]);
    assert_eq!(test.at(60, &seen(Standing::Allowed), GOES_ON), []);
}

#[test]
fn another_process_under_the_same_number_has_a_grace_of_its_own() {
    let mut test = Test::new();
    test.at(0, &denied(false, true), GOES_ON);
    let later = Instance { started: Started(8), ..SERVER };
    let sight = Sight { server: later, ..denied(false, true).remove(0) };
    assert_eq!(test.at(60, &[sight], GOES_ON), [Step::Warn(Duration::from_secs(60))]);
}

#[test]
fn what_a_server_leaves_behind_is_followed_to_its_end() {
    let mut test = Test::new();
    test.at(0, &denied(true, true), GOES_ON);
    let part_goes_on = |one: Instance| one == PART;
    assert_eq!(test.at(1, &[], &part_goes_on), []);
    assert_eq!(test.at(10, &[], &part_goes_on), [Step::Kill(vec![PART])]);
    assert_eq!(test.at(11, &[], IS_GONE), [Step::Ended { is_killed: true }]);
}

#[test]
fn what_it_starts_after_it_was_asked_belongs_to_it() {
    let mut test = Test::new();
    test.at(0, &denied(true, true), GOES_ON);
    let late = process(102);
    let mut sights = denied(true, true);
    sights[0].parts.push(late);
    test.at(5, &sights, GOES_ON);
    assert_eq!(test.at(10, &denied(true, true), GOES_ON), [Step::Kill(vec![SERVER, PART, late])]);
}

#[test]
fn what_cannot_be_killed_is_told_once_and_given_up() {
    let mut test = Test::new();
    test.at(0, &denied(true, true), GOES_ON);
    test.at(10, &denied(true, true), GOES_ON);
    assert_eq!(test.at(11, &denied(true, true), GOES_ON), [Step::Survived]);
    assert_eq!(test.at(20, &denied(true, true), GOES_ON), []);
    assert_eq!(test.next(), None);
    test.fates.give_up(SERVER);
    assert_eq!(test.at(100, &denied(true, true), GOES_ON), []);
}

#[test]
fn a_server_that_ends_within_its_grace_is_forgotten() {
    let mut test = Test::new();
    test.at(0, &denied(false, true), GOES_ON);
    assert_eq!(test.at(10, &[], IS_GONE), []);
    assert_eq!((test.next(), test.fates.followed().count()), (None, 0));
}

#[test]
fn what_a_server_has_left_behind_is_spared_when_the_mode_is_lowered_meanwhile() {
    let mut test = Test::new();
    test.at(0, &denied(true, true), GOES_ON);
    test.may_end = false;
    assert_eq!(test.at(10, &[], GOES_ON), [Step::Spare]);
    assert_eq!((test.next(), test.fates.followed().count()), (None, 0));
}
