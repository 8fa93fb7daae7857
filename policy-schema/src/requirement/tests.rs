use pep440_rs::Version as PythonVersion;
use proptest::prelude::*;

use super::*;

fn admits(ecosystem: Ecosystem, meant: &str, asked: Option<&str>) -> Admits {
    Requirement::parse(ecosystem, meant).unwrap_or_else(|e| panic!("{meant}: {e}")).admits(asked)
}

fn check(ecosystem: Ecosystem, cases: &[(&str, Option<&str>, Admits)]) {
    for (meant, asked, expected) in cases {
        assert_eq!(admits(ecosystem, meant, *asked), *expected, "{meant} asked {asked:?}");
    }
}

#[test]
fn an_npm_request_is_admitted_only_whole() {
    use Admits::{All, None as No, Some as Part};
    check(
        Ecosystem::Npm,
        &[
            ("*", None, All),
            ("*", Some("latest"), All),
            ("*", Some("next-11"), All),
            ("*", Some("^1.2 || 2.x"), All),
            ("*", Some(".evil"), Part),
            ("*", Some("..evil"), Part),
            ("*", Some("~/evil"), Part),
            ("*", Some("a b"), Part),
            ("0.0.40", Some("0.0.40"), All),
            ("0.0.40", Some("v0.0.40"), All),
            ("0.0.40", Some("=0.0.40"), All),
            ("0.0.40", Some("0.0.41"), No),
            ("0.0.40", Some("latest"), Part),
            ("0.0.40", None, Part),
            ("0.0.40", Some(">=0.0.40"), Part),
            (">=2025.8.21 <2027", Some("2025.11.25"), All),
            (">=2025.8.21 <2027", Some("2027.0.0"), No),
            (">=2025.8.21 <2027", Some("2024.1.1"), No),
            (">=2025.8.21 <2027", Some("2026.0.0-beta.1"), No),
            (">=2025.8.21 <2027", Some("^2025.9.0"), All),
            (">=2025.8.21 <2027", Some(">=2025.9.0"), Part),
            ("^1", Some("1.x"), All),
            ("^1", Some("~1.4"), All),
            ("^1", Some("1.0.0 || 9.9.9"), Part),
            ("^1 || ^2", Some("1.4 || ~2.1"), All),
            ("^1", Some("*"), Part),
            (">=0.0.0", Some("*"), Part),
            ("^1", Some("1.2.3-beta - 1.4.0"), Part),
            ("^1", Some("1.0.0 evil"), Part),
            ("^1", Some(" 1.0.0"), All),
            ("^1", Some("1.0.0\u{a0}"), Part),
            (">=0.1.16", Some("0.1.15"), No),
        ],
    );
}

#[test]
fn a_python_request_is_admitted_only_whole() {
    use Admits::{All, None as No, Some as Part};
    check(
        Ecosystem::Pypi,
        &[
            ("*", None, All),
            ("*", Some("latest"), All),
            ("*", Some(">=1,<2"), All),
            ("*", Some("1.*"), All),
            ("*", Some("evil"), Part),
            ("*", Some("./evil"), Part),
            (">=2025.12.18", Some("2025.12.18"), All),
            (">=2025.12.18", Some("2024.11.0"), No),
            (">=2025.12.18", None, Part),
            (">=2025.12.18", Some("latest"), Part),
            (">=2025.12.18", Some(">=2025"), Part),
            (">=2025.12.18", Some(">=2026.1"), All),
            (">=2025.12.18", Some("~=2026.1.1"), All),
            (">=2025.12.18", Some("==2025.12.*"), Part),
            (">=2025.12.18", Some("2026.1.*"), All),
            (">=1.2,<2", Some("==1.*"), Part),
            (">=1.2,<2", Some("==1.3.*"), All),
            (">=1.2,<2", Some(">=1.3,<1.5"), All),
            (">=1.2,<2", Some(">=1.3"), Part),
            ("==1.2.*", Some("1"), No),
            ("==1.2.*", Some("1.2"), All),
            ("==1.0", Some("1.0.0"), All),
            ("==1.0", Some("1!1.0"), No),
            ("==1.0", Some("===1.0"), All),
            ("===1.0", Some("1.0"), Part),
            ("==1.0+good", Some("1.0+good"), All),
            ("==1.0+good", Some("1.0+evil"), Part),
            ("==1.0+good", Some("1.0"), Part),
            ("!=1.0", Some("1.0"), No),
            ("<2", Some("2.0rc1"), No),
        ],
    );
}

#[test]
fn go_and_nuget_know_exact_versions_only() {
    use Admits::{All, None as No, Some as Part};
    check(
        Ecosystem::Go,
        &[
            ("v1.2.3", Some("v1.2.3"), All),
            ("v1.2.3", Some("v1.2.4"), No),
            ("v1.2.3", Some("v1.2"), Part),
            ("v1.2.3", Some("latest"), Part),
            ("*", Some("latest"), All),
            ("v2.0.0+incompatible", Some("v2.0.0"), No),
        ],
    );
    check(
        Ecosystem::Dotnet,
        &[
            ("1.2.3", Some("1.2.3.0"), All),
            ("1.2.3-Beta", Some("1.2.3-beta+x"), All),
            ("1.2.3", Some("1.2.*"), Part),
            ("1.2.3", Some("[1.2.3,)"), Part),
            ("1.2.3", Some("1.2.4"), No),
        ],
    );
    for (ecosystem, text) in [
        (Ecosystem::Go, "^1"),
        (Ecosystem::Go, "1.2.3"),
        (Ecosystem::Go, "v1.2"),
        (Ecosystem::Dotnet, "[1.0,2.0)"),
        (Ecosystem::Dotnet, "1.*"),
        (Ecosystem::Npm, "latest"),
        (Ecosystem::Npm, ""),
        (Ecosystem::Npm, "1.2.3 beta"),
        (Ecosystem::Npm, "1.x.3"),
        (Ecosystem::Npm, ">="),
        (Ecosystem::Pypi, "newest"),
        (Ecosystem::Pypi, ">=1.2.*"),
        (Ecosystem::Executable, "1.0.0"),
    ] {
        let error = Requirement::parse(ecosystem, text).expect_err(text);
        assert!(error.contains("write"), "{error}");
    }
}

#[test]
fn one_version_is_named_as_such() {
    let exact = |ecosystem, text| {
        Requirement::parse(ecosystem, text).expect("valid").exact().map(str::to_owned).unwrap_or_default()
    };
    assert_eq!(exact(Ecosystem::Npm, "=1.2.3"), "1.2.3");
    assert_eq!(exact(Ecosystem::Npm, "^1.2.3"), "");
    assert_eq!(exact(Ecosystem::Npm, "1.2"), "");
    assert_eq!(exact(Ecosystem::Npm, "*"), "");
    assert_eq!(exact(Ecosystem::Pypi, "==2025.12.18"), "2025.12.18");
    assert_eq!(exact(Ecosystem::Pypi, "2025.12.18"), "2025.12.18");
    assert_eq!(exact(Ecosystem::Pypi, "==1.2.*"), "");
    assert_eq!(exact(Ecosystem::Go, "v1.2.3"), "v1.2.3");
}

/// The lines of a table of tests/long/resolvers.py in three cells.
fn rows(table: &str) -> impl Iterator<Item = (&str, &str, &str)> {
    table.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(|line| {
        let cells: Vec<&str> = line.split('\t').collect();
        (cells[0], cells[1], cells[2])
    })
}

#[test]
fn versions_satisfy_for_us_what_they_satisfy_for_npm() {
    let mut read = 0;
    for (range, version, expected) in rows(include_str!("../../../tests/fixtures/resolvers/npm-ranges.tsv")) {
        let version: nodejs_semver::Version = version.parse().expect("a version");
        // What we do not read is a tag to us, which is never admitted by a range.
        let Some(ours) = npm::Range::parse(range) else { continue };
        assert_eq!(ours.satisfied_by(&version).to_string(), expected, "{version} of {range:?}");
        read += 1;
    }
    assert!(read > 400, "{read}");
}

#[test]
fn versions_satisfy_for_us_what_they_satisfy_for_packaging() {
    let mut differ = Vec::new();
    for (specifier, version, expected) in
        rows(include_str!("../../../tests/fixtures/resolvers/pypi-ranges.tsv"))
    {
        let version: PythonVersion = version.parse().expect("a version");
        let Some(ours) = python::Specifiers::parse(specifier) else { continue };
        if expected != "refused" && ours.satisfied_by(&version).to_string() != expected {
            differ.push(format!("{specifier} {version} {expected}"));
        }
    }
    assert_eq!(differ, Vec::<String>::new());
}

fn npm_version() -> impl Strategy<Value = String> {
    (0..3u8, 0..3u8, 0..3u8, prop_oneof![Just(""), Just("-0"), Just("-alpha.1"), Just("-beta.2")])
        .prop_map(|(a, b, c, pre)| format!("{a}.{b}.{c}{pre}"))
}

fn npm_range() -> impl Strategy<Value = String> {
    let partial = prop_oneof![
        npm_version(),
        (0..3u8, 0..3u8).prop_map(|(a, b)| format!("{a}.{b}")),
        (0..3u8).prop_map(|a| format!("{a}.x")),
        (0..3u8).prop_map(|a| a.to_string()),
    ];
    let comparator = (
        prop_oneof![Just(""), Just("^"), Just("~"), Just(">="), Just(">"), Just("<"), Just("<="), Just("=")],
        partial.clone(),
    )
        .prop_map(|(sign, version)| format!("{sign}{version}"));
    let alternative = prop_oneof![
        proptest::collection::vec(comparator, 1..3).prop_map(|list| list.join(" ")),
        (partial.clone(), partial).prop_map(|(a, b)| format!("{a} - {b}")),
    ];
    proptest::collection::vec(alternative, 1..3).prop_map(|list| list.join(" || "))
}

fn python_version() -> impl Strategy<Value = String> {
    let release = proptest::collection::vec(0..3u8, 1..4)
        .prop_map(|n| n.iter().map(u8::to_string).collect::<Vec<_>>().join("."));
    let after = prop_oneof![
        Just(""),
        Just("a1"),
        Just("rc1"),
        Just(".post1"),
        Just(".dev0"),
        Just("rc1.dev0"),
        Just("a1.post2")
    ];
    (prop_oneof![9 => Just(""), 1 => Just("1!")], release, after)
        .prop_map(|(epoch, release, after)| format!("{epoch}{release}{after}"))
}

fn python_range() -> impl Strategy<Value = String> {
    let sign = prop_oneof![
        Just(">="),
        Just(">"),
        Just("<"),
        Just("<="),
        Just("=="),
        Just("!="),
        Just("~="),
        Just("===")
    ];
    let star =
        (prop_oneof![Just("=="), Just("!=")], 0..3u8, 0..3u8).prop_map(|(s, a, b)| format!("{s}{a}.{b}.*"));
    let one = prop_oneof![3 => (sign, python_version()).prop_map(|(s, v)| format!("{s}{v}")), 1 => star];
    proptest::collection::vec(one, 1..3).prop_map(|list| list.join(","))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn no_npm_version_outside_the_requirement_hides_in_an_admitted_range(
        meant in npm_range(), asked in npm_range(), versions in proptest::collection::vec(npm_version(), 24),
    ) {
        let requirement = Requirement::parse(Ecosystem::Npm, &meant);
        let verdict = requirement.map(|r| r.admits(Some(&asked)));
        let (Some(meant), Some(asked)) = (npm::Range::parse(&meant), npm::Range::parse(&asked)) else {
            prop_assert_ne!(verdict, Ok(Admits::All));
            return Ok(());
        };
        for version in versions.iter().filter_map(|v| nodejs_semver::Version::parse(v).ok()) {
            if asked.satisfied_by(&version) {
                prop_assert!(verdict != Ok(Admits::All) || meant.satisfied_by(&version), "{version}");
                prop_assert!(verdict != Ok(Admits::None) || !meant.satisfied_by(&version), "{version}");
            }
        }
    }

    #[test]
    fn no_python_version_outside_the_requirement_hides_in_an_admitted_range(
        meant in python_range(), asked in python_range(), versions in proptest::collection::vec(python_version(), 24),
        local in prop_oneof![3 => Just(""), 1 => Just("+evil")],
    ) {
        let requirement = Requirement::parse(Ecosystem::Pypi, &meant);
        let verdict = requirement.map(|r| r.admits(Some(&asked)));
        let (Some(meant), Some(asked)) = (python::Specifiers::parse(&meant), python::Specifiers::parse(&asked)) else {
            prop_assert_ne!(verdict, Ok(Admits::All));
            return Ok(());
        };
        for version in versions.iter().filter_map(|v| format!("{v}{local}").parse::<PythonVersion>().ok()) {
            if asked.satisfied_by(&version) {
                prop_assert!(verdict != Ok(Admits::All) || meant.satisfied_by(&version), "{version}");
                prop_assert!(verdict != Ok(Admits::None) || !meant.satisfied_by(&version), "{version}");
            }
        }
    }
}

#[test]
fn a_range_with_nothing_between_its_ends_is_empty_and_no_other_is() {
    let is_empty = |ecosystem, text: &str| Requirement::parse(ecosystem, text).unwrap().is_empty();
    for text in [">2 <1", ">2.0.0 <1.0.0", ">1.0.0 <1.0.0", "1.0.0 2.0.0", ">2 <1 || 1.0.0 2.0.0", ">=2 ^1"] {
        assert!(is_empty(Ecosystem::Npm, text), "{text}");
    }
    for text in [
        "*",
        "1.0.0",
        "^1",
        ">=1 <2",
        ">=1.0.0 <=1.0.0",
        ">2 <1 || 1",
        "1.0.0 - 2.0.0",
        ">1.0.0-a <1.0.0",
        "1.0.0 1.x",
    ] {
        assert!(!is_empty(Ecosystem::Npm, text), "{text}");
    }
    for text in [">2,<1", ">=2,<2", ">1,<=1", "==1,==2", "==1.0,!=1.0", "~=2.1,<2"] {
        assert!(is_empty(Ecosystem::Pypi, text), "{text}");
    }
    for text in ["*", "==1.0", ">=1,<2", ">=1,<=1", "==1.0,==1.0.0", "!=1.0", "~=2.1,<3", "==1.0+local", "<2"]
    {
        assert!(!is_empty(Ecosystem::Pypi, text), "{text}");
    }
    assert!(!is_empty(Ecosystem::Go, "v1.2.3") && !is_empty(Ecosystem::Dotnet, "1.2.3"));
}
