//! How lines come changes nothing.

use std::io::Write as _;

use flate2::{Compression, write::GzEncoder};
use mcpolicy_fleet::{Options, load};
use proptest::prelude::*;

use crate::maker::fleet::NOW;
use crate::support::{answers, lines, load_lines, supply};

const MACHINES: usize = 24;

fn of(lines: &[String]) -> String {
    let fleet = load_lines(lines);
    supply(&fleet, MACHINES);
    answers(&fleet)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_order_of_lines_and_any_duplicates_give_the_same_answers(
        shuffled in Just(lines(MACHINES)).prop_shuffle(),
        twice in proptest::collection::vec(any::<prop::sample::Index>(), 0..200),
    ) {
        let mut given = shuffled.clone();
        given.extend(twice.iter().map(|index| shuffled[index.index(shuffled.len())].clone()));
        prop_assert_eq!(of(&given), of(&lines(MACHINES)));
        let fleet = load_lines(&given);
        prop_assert_eq!(fleet.counts.duplicates, twice.len() as u64);
        prop_assert_eq!(fleet.check(None).unwrap().faulty, 0);
    }
}

#[test]
fn files_packed_files_and_folders_give_the_same_as_a_stream() {
    let folder = tempfile::tempdir().unwrap();
    let all = lines(MACHINES);
    let (first, rest) = all.split_at(all.len() / 2);
    std::fs::write(folder.path().join("a.ndjson"), first.join("\n")).unwrap();
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(rest.join("\r\n").as_bytes()).unwrap();
    std::fs::write(folder.path().join("b.jsonl.gz"), packed.finish().unwrap()).unwrap();
    std::fs::write(folder.path().join("readme.txt"), "no report").unwrap();
    let options = Options { now: Some(NOW), ..Options::default() };
    let fleet = load(&[folder.path().to_owned()], &mut std::io::empty(), &options, &mut |_| {}).unwrap();
    supply(&fleet, MACHINES);
    assert_eq!((fleet.counts.files, fleet.counts.refused), (2, 0), "{:?}", fleet.problems);
    assert_eq!(answers(&fleet), of(&all));
}
