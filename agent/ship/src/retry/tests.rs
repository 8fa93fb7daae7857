use proptest::prelude::*;

use super::*;

fn taken(count: usize) -> Result<Receipt, SinkError> {
    Ok(Receipt { accepted: count, ..Receipt::default() })
}

fn later() -> Result<Receipt, SinkError> {
    Err(SinkError::retry("down"))
}

fn unread(may_try_again: bool) -> Result<Receipt, SinkError> {
    Err(SinkError::Poison { may_try_again, reason: String::new() })
}

fn too_large() -> Result<Receipt, SinkError> {
    Err(SinkError::TooLarge { reason: String::new() })
}

proptest! {
    #[test]
    fn waits_stay_between_half_a_minute_and_a_quarter_of_an_hour(draws in proptest::collection::vec(any::<u64>(), 1..60)) {
        let mut course = Course::default();
        let mut before = SHORTEST;
        for draw in draws {
            let Next::Wait(wait) = course.after(&later(), 10, draw) else { panic!("no wait") };
            prop_assert!(wait >= SHORTEST && wait <= LONGEST && wait <= before * 3);
            prop_assert!(wait >= before.min(LONGEST / 2));
            before = wait;
        }
    }

    #[test]
    fn whatever_is_answered_a_batch_comes_to_an_end_or_waits(kinds in proptest::collection::vec(0_u8..6, 1..200), draw: u64) {
        let mut course = Course::default();
        let mut lines = 64;
        for kind in kinds {
            let answer = match kind {
                0 => taken(lines),
                1 => later(),
                2 => unread(true),
                3 => too_large(),
                4 => Err(SinkError::Unauthorized { reason: String::new() }),
                _ => unread(false),
            };
            match course.after(&answer, lines, draw) {
                Next::Fewer(fewer) => {
                    prop_assert!(fewer >= 1 && fewer < lines);
                    lines = fewer;
                }
                Next::SetAside => {
                    prop_assert_eq!(lines, 1);
                    lines = 64;
                }
                Next::Advance(count) => {
                    prop_assert_eq!(count, lines);
                    lines = 64;
                }
                Next::Wait(wait) => prop_assert!(wait >= SHORTEST),
            }
        }
    }
}

#[test]
fn a_success_ends_the_waits() {
    let mut course = Course::default();
    for _ in 0..20 {
        course.after(&later(), 1, u64::MAX);
    }
    assert_eq!(course.after(&taken(1), 1, 0), Next::Advance(1));
    let Next::Wait(wait) = course.after(&later(), 1, 0) else { panic!("no wait") };
    assert_eq!(wait, SHORTEST);
}

#[test]
fn retry_after_is_read_as_seconds_and_as_a_date_and_capped_at_an_hour() {
    let minute = Some(Duration::from_secs(60));
    let now = 784_111_717_000;
    assert_eq!(retry_after("60", None, 0), minute);
    assert_eq!(
        retry_after("Sun, 06 Nov 1994 08:49:37 GMT", Some("Sun, 06 Nov 1994 08:48:37 GMT"), 0),
        minute
    );
    assert_eq!(retry_after("Sun, 06 Nov 1994 08:49:37 GMT", None, now), minute);
    assert_eq!(retry_after("Sun, 06 Nov 1994 08:49:37 GMT", None, now + 3_600_000), Some(Duration::ZERO));
    for long in ["86400", "18446744073709551615", "Fri, 01 Jan 9999 00:00:00 GMT"] {
        assert_eq!(retry_after(long, None, now), Some(MOST_ASKED), "{long}");
    }
    for none in ["", "soon", "-5", "1.5"] {
        assert_eq!(retry_after(none, None, now), None, "{none}");
    }
}

#[test]
fn what_a_receiver_asks_for_is_waited_for_even_by_what_is_urgent() {
    let mut course = Course::default();
    let asked = Err(SinkError::Retry { after: Some(Duration::from_secs(600)), reason: String::new() });
    let Next::Wait(wait) = course.after(&asked, 1, 0) else { panic!("no wait") };
    assert_eq!(wait.as_secs(), 600);
    assert!(!course.admits_urgent());
    course.after(&later(), 1, 0);
    assert!(course.admits_urgent());
}

#[test]
fn what_is_too_large_is_halved_down_to_one_which_is_set_aside() {
    let mut course = Course::default();
    let sizes: Vec<_> = [500, 250, 125, 63, 32, 16, 8, 4, 2, 1].into();
    for pair in sizes.windows(2) {
        assert_eq!(course.after(&too_large(), pair[0], 0), Next::Fewer(pair[1]));
    }
    assert_eq!(course.after(&too_large(), 1, 0), Next::SetAside);
    assert_eq!(course.at_once(), Some(1));
    for expected in [2, 4, 8, 16, 32, 64, 128, 256] {
        course.after(&taken(1), 1, 0);
        assert_eq!(course.at_once(), Some(expected));
    }
    course.after(&taken(1), 1, 0);
    assert_eq!(course.at_once(), None);
}

#[test]
fn what_cannot_be_read_gets_three_tries_and_takes_no_others_with_it() {
    let mut course = Course::default();
    assert!(matches!(course.after(&unread(true), 4, 0), Next::Wait(_)));
    assert!(matches!(course.after(&unread(true), 4, 0), Next::Wait(_)));
    assert_eq!(course.after(&unread(true), 4, 0), Next::Fewer(2));
    assert_eq!(course.after(&unread(true), 2, 0), Next::Fewer(1));
    assert_eq!(course.after(&unread(true), 1, 0), Next::SetAside);
    assert_eq!(course.after(&taken(1), 1, 0), Next::Advance(1));
}

#[test]
fn what_may_not_be_sent_again_is_not() {
    let mut course = Course::default();
    assert_eq!(course.after(&unread(false), 2, 0), Next::Fewer(1));
    assert_eq!(course.after(&unread(false), 1, 0), Next::SetAside);
}

#[test]
fn a_receiver_that_can_read_nothing_at_all_does_not_empty_the_spool() {
    let mut course = Course::default();
    let mut aside = 0;
    for _ in 0..1000 {
        match course.after(&unread(true), 1, 0) {
            Next::SetAside => aside += 1,
            Next::Wait(wait) => assert!(wait >= SHORTEST),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(aside, MOST_ASIDE);
}
