//! What holds for all formats, and how they look.

use std::time::{Duration, Instant};

use mcpolicy_schema::report::v1::Report;

use super::sample::{HOSTILE, judged_report, many, project_report, sample_report};
use super::*;

fn render(report: &Report, format: Format, width: usize, color: bool) -> String {
    let mut out = Vec::new();
    write(report, format, &Style { color, width }, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn no_format_lets_a_control_or_invisible_character_through() {
    for report in [sample_report(), judged_report(), project_report(), many(80)] {
        for format in Format::ALL {
            for width in [60, 80, 100, 120, 200] {
                let text = render(&report, format, width, false);
                let raw = text
                    .chars()
                    .find(|c| text::is_unseen(*c) && *c != '\n' && !(format == Format::Csv && *c == '\r'));
                assert_eq!(raw, None, "{format:?} at {width}");
            }
        }
    }
}

/// Names made of every troublesome character in every order that a small generator comes by.
#[test]
fn no_mixture_of_troublesome_characters_gets_through() {
    const PARTS: [&str; 14] = [
        "a",
        "\u{1b}",
        "\u{202e}",
        "\u{301}",
        "日",
        "=",
        "\n",
        "<",
        "\"",
        "\u{9b}",
        "\u{e0041}",
        "'",
        "&",
        "\u{0}",
    ];
    let mut state = 7_u64;
    for _ in 0..12 {
        let mut report = judged_report();
        for entry in &mut report.entries {
            entry.name.clear();
            for _ in 0..12 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                entry.name.push_str(PARTS[(state >> 33) as usize % PARTS.len()]);
            }
            entry.args = vec![entry.name.clone()];
            entry.source.path = format!("/home/{}", entry.name);
            entry.user = Some(entry.name.clone());
            let judged = entry.judged.as_mut().unwrap();
            judged.detail = Some(entry.name.clone());
            judged.rule = Some(entry.name.clone());
            judged.contact = Some(entry.name.clone());
        }
        for format in Format::ALL {
            let text = render(&report, format, 80, false);
            assert!(!text.chars().any(|c| text::is_unseen(c) && c != '\n' && c != '\r'), "{format:?}");
        }
    }
}

#[test]
fn colour_comes_only_when_asked_for_and_only_from_us() {
    let text = render(&sample_report(), Format::Human, 100, true);
    let escapes: Vec<&str> =
        text.split('\u{1b}').skip(1).map(|t| t.split_inclusive('m').next().unwrap()).collect();
    assert!(escapes.len() > 10);
    assert!(
        escapes.iter().all(|e| ["[0m", "[1m", "[1;31m", "[31m", "[33m", "[36m", "[2m"].contains(e)),
        "{escapes:?}"
    );
}

#[test]
fn no_line_for_people_is_wider_than_the_terminal() {
    for width in [60, 80, 100, 120, 200] {
        let text = render(&judged_report(), Format::Human, width, false);
        // The summary and notes are sentences; a terminal wraps them.
        for line in text.lines().filter(|line| line.starts_with(' ')) {
            assert!(text::width(line) <= width, "{width}: {line}");
        }
    }
}

#[test]
fn the_json_output_is_the_report() {
    let text = render(&sample_report(), Format::Json, 80, false);
    assert!(text.ends_with("}\n"));
    assert_eq!(serde_json::from_str::<Report>(&text).unwrap(), sample_report());
    let text = render(&judged_report(), Format::Json, 80, false);
    assert_eq!(serde_json::from_str::<Report>(&text).unwrap(), judged_report());
}

#[test]
fn the_json_output_is_valid_by_the_published_schema() {
    let schema = include_str!("../../../policy-schema/schema/report-v1.schema.json");
    let schema: serde_json::Value = serde_json::from_str(schema).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let mut value: serde_json::Value =
        serde_json::from_str(&render(&judged_report(), Format::Json, 80, false)).unwrap();
    assert!(
        validator.is_valid(&value),
        "{:?}",
        validator.iter_errors(&value).map(|e| e.to_string()).collect::<Vec<_>>()
    );
    value["entries"][0]["scope"] = "elsewhere".into();
    assert!(!validator.is_valid(&value));
}

#[test]
fn a_csv_reader_gets_every_entry_back_in_one_row() {
    let report = judged_report();
    let text = render(&report, Format::Csv, 80, false);
    let mut reader = ::csv::Reader::from_reader(text.as_bytes());
    let rows: Vec<::csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), report.entries.len());
    for row in &rows {
        assert!(row.iter().all(|cell| !cell.trim_start().starts_with(['=', '+', '-', '@'])), "{row:?}");
    }
}

#[test]
fn an_empty_report_can_be_shown() {
    let mut report = sample_report();
    report.entries.clear();
    report.findings.clear();
    report.coverage.clear();
    report.sources.clear();
    for format in Format::ALL {
        assert!(!render(&report, format, 80, false).is_empty());
    }
}

/// A person who sees any part of any output must not take a draft's verdicts for a policy's.
#[test]
fn every_format_says_that_a_draft_is_unsigned() {
    for format in Format::ALL {
        let text = render(&judged_report(), format, 120, false);
        let said = text.matches("UNSIGNED").count();
        match format {
            // words of a console are lower case
            Format::Mdm => assert!(text.contains(" unsigned=1"), "{text}"),
            Format::Csv => assert_eq!(said, judged_report().entries.len(), "in every row"),
            Format::Human | Format::Html => {
                let (first, last) = (text.find("UNSIGNED").unwrap(), text.rfind("UNSIGNED").unwrap());
                assert!(first < text.find("github").unwrap(), "{format:?} says it too late");
                assert!(last > text.rfind("github").unwrap(), "{format:?} does not end with it");
            }
            Format::Json | Format::Sarif => assert!(said >= 2, "{format:?}: {said}"),
        }
        assert!(!render(&sample_report(), format, 120, false).contains("UNSIGNED"), "{format:?}");
    }
}

#[test]
fn human_with_verdicts_at_140_columns() {
    insta::assert_snapshot!(render(&judged_report(), Format::Human, 140, false));
}

#[test]
fn human_at_100_columns() {
    insta::assert_snapshot!(render(&sample_report(), Format::Human, 100, false));
}

#[test]
fn human_at_160_columns() {
    insta::assert_snapshot!(render(&sample_report(), Format::Human, 160, false));
}

#[test]
fn csv_of_the_sample() {
    insta::assert_snapshot!(render(&sample_report(), Format::Csv, 80, false).replace("\r\n", "\n"));
}

#[test]
fn mdm_of_the_sample() {
    insta::assert_snapshot!(render(&sample_report(), Format::Mdm, 80, false));
}

#[test]
fn sarif_of_a_checkout() {
    insta::assert_snapshot!(render(&project_report(), Format::Sarif, 80, false));
}

/// Prints its timings with `--nocapture`. The bound is loose: it catches a quadratic, not a slow machine.
#[test]
fn time_grows_with_the_entries_and_not_faster() {
    let (small, large) = (many(400), many(4_000));
    for format in Format::ALL {
        let time = |report: &Report| {
            let start = Instant::now();
            write(report, format, &Style { color: true, width: 120 }, &mut io::sink()).unwrap();
            start.elapsed()
        };
        let (one, ten) = (time(&small), time(&large));
        eprintln!("{format:?}: 400 in {one:?}, 4,000 in {ten:?}");
        assert!(ten < one * 40 + Duration::from_millis(200), "{format:?}: {one:?}, then {ten:?}");
    }
}

/// For looking at: `OUT` is where the files go.
#[test]
#[ignore = "writes the sample in every format into a folder: OUT=DIR cargo test -p mcpolicy dump_ -- --ignored"]
#[expect(clippy::disallowed_methods, reason = "a switch of this test")]
fn dump_for_looking_at() {
    let folder = std::env::var("OUT").unwrap();
    for (name, report) in [
        ("sample", sample_report()),
        ("judged", judged_report()),
        ("project", project_report()),
        ("many", many(10_000)),
    ] {
        for format in Format::ALL {
            std::fs::write(
                format!("{folder}/{name}.{format:?}").to_lowercase(),
                render(&report, format, 100, false),
            )
            .unwrap();
        }
    }
}

#[test]
#[ignore = "measures: cargo test -p mcpolicy measure_ -- --ignored --nocapture"]
fn measure_many_entries() {
    for count in [10_000, 100_000] {
        let report = many(count);
        for format in Format::ALL {
            let start = Instant::now();
            let text = render(&report, format, 120, false);
            eprintln!("{format:?}: {count} entries, {} KiB in {:?}", text.len() / 1024, start.elapsed());
        }
    }
    assert_eq!(HOSTILE.len(), 8);
}
