use mcpolicy_schema::document::PolicyDocument;
use serde_json::{Value, json};

use super::{Change, Class, compare};

const FULL: &str = r#"{
        "schema": "mcpolicy/policy/v1",
        "policy": {
            "name": "n", "contact": "c", "mode": "enforce", "grace_until": "2026-01-01", "default": "deny",
            "ignore_denylist": false, "ignore_revocations": false, "unknown_members": "report",
            "on_version": "deny", "unparseable": "report", "processes": "report", "fights": "report", "rescans": "on-mains",
            "prefer_disable": false,
            "runners": "any", "runner_roots": ["/opt/a"], "search_path": {"linux": ["/usr/bin"]},
            "registries": {"npm": ["https://registry.example.com/"], "pypi": ["https://registry.example.com/p"], "dotnet": ["https://registry.example.com/d"]},
            "env": {"LANG": "*"}, "unlisted_tools": "write", "max_new_removals": {"entries": 5, "percent": 30},
            "acknowledge_breaking": "yes", "staleness": {"stale_after_hours": 72, "expired_after_days": 30},
            "native": {"cursor": {"owner": "agent", "inexpressible": "closed", "plugins": "locked", "flags": "locked",
                "connectors": "locked", "exclusive": true}},
            "approvals": "ask", "gate": true, "gate_late": "deny", "mcp_spec": "2025-06-18"
        },
        "rule": [{
            "id": "r", "description": "d", "identity": {"npm": {"package": "p", "versions": "1.0.0"}},
            "runners": ["npx"], "runner_args": ["-q"], "with": ["w"], "bins": ["b"], "wrappers": ["env"],
            "args": {"positional": ["a"], "optional": ["-v"], "required": ["-s"]}, "env": {"E": "x"},
            "headers": {"H": "x"}, "references": ["R"], "members": ["dev"], "cwd": ["/w"], "clients": ["cursor"],
            "scopes": ["user"], "transports": ["stdio"], "users": ["u"], "groups": ["g"], "devices": ["d"],
            "rings": ["early"], "names": ["x"], "native_forms": [["npx", "p"]], "pin": "1.0.0", "owner": "o",
            "class": "vendor", "release_reviewer": "rr", "review_by": "2027-01-01", "ticket": "T-1",
            "mcp_spec": "2025-06-18", "auth": {"kind": "oauth", "pkce": true, "resource_indicators": true},
            "credential_scopes": ["s"], "token": {"lifetime_hours": 1, "rotation_days": 2}, "data_access": "read-only",
            "remediation": {"what": "w", "deadline": "2027-01-01", "done": false},
            "tools": {"read": ["a"], "write": ["b"], "never": ["c"], "unlisted": "write"},
            "alternatives": ["r"], "contact": "c"
        }],
        "deny": [{"id": "d", "identity": {"npm": {"package": "bad", "versions": "*"}}, "reason": "r", "ticket": "t",
            "owner": "o", "alternatives": ["r"], "contact": "c"}],
        "exception": [{"id": "e", "fingerprint": "sha256:00", "description": "d", "owner": "o", "ticket": "t",
            "expires": "2027-01-01T00:00:00Z", "directory": "~/src/p", "users": ["u"], "devices": ["d"]}],
        "ring": [{"name": "early", "percent": 5, "devices": ["d"], "users": ["u"], "groups": ["g"], "mode": "enforce"}]
}"#;

fn full() -> Value {
    serde_json::from_str(FULL).unwrap()
}

fn document(value: &Value) -> PolicyDocument {
    serde_json::from_value(value.clone()).unwrap()
}

fn changes(change: impl FnOnce(&mut Value)) -> Vec<Change> {
    let mut other = full();
    change(&mut other);
    compare(&document(&full()), &document(&other))
}

/// Every pointer to a member of an object.
fn members(value: &Value, at: &str, out: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                let pointer = format!("{at}/{key}");
                members(inner, &pointer, out);
                out.push(pointer);
            }
        }
        Value::Array(items) => {
            for (n, inner) in items.iter().enumerate() {
                members(inner, &format!("{at}/{n}"), out);
            }
        }
        _ => {}
    }
}

#[test]
fn taking_any_member_away_is_told_in_words() {
    let mut pointers = Vec::new();
    members(&full(), "", &mut pointers);
    let mut tried = 0;
    for pointer in pointers {
        let mut other = full();
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        other.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(key);
        let (old, Ok(new)) = (document(&full()), serde_json::from_value::<PolicyDocument>(other)) else {
            continue;
        };
        if old == new {
            continue;
        }
        tried += 1;
        for (a, b) in [(&old, &new), (&new, &old)] {
            let changes = compare(a, b);
            assert!(!changes.is_empty(), "{pointer}");
            assert!(
                changes.iter().all(|c| !c.what.contains("cannot put into words")),
                "{pointer}: {changes:?}"
            );
        }
    }
    assert!(tried > 60, "{tried}");
}

#[test]
fn equal_policies_have_no_changes() {
    assert_eq!(changes(|_| {}), []);
}

#[test]
fn what_needs_two_signatures_is_marked_and_comes_first() {
    let graves: [(&str, Value); 8] = [
        ("/policy/gate_late", json!("allow")),
        ("/policy/mode", json!("observe")),
        ("/policy/default", json!("allow")),
        ("/policy/ignore_denylist", json!(true)),
        ("/policy/ignore_revocations", json!(true)),
        ("/policy/gate", json!(false)),
        ("/policy/native/cursor/owner", json!("off")),
        ("/rule/0/identity", json!({"any": {}})),
    ];
    for (pointer, value) in graves {
        let changes = changes(|d| *d.pointer_mut(pointer).unwrap() = value);
        assert!(changes[0].second_signature && changes[0].class == Class::Loosens, "{pointer}: {changes:?}");
    }
    let ordinary = changes(|d| {
        d["rule"].as_array_mut().unwrap().push(json!({"id": "n", "identity": {"npm": {"package": "q"}}}));
    });
    assert!(ordinary[0].class == Class::Loosens && !ordinary[0].second_signature, "{ordinary:?}");
}

#[test]
fn the_direction_of_a_change_is_that_of_what_is_admitted() {
    let class = |pointer: &str, value: Value| {
        let told = changes(|d| *d.pointer_mut(pointer).unwrap() = value);
        assert_eq!(told.len(), 1, "{told:?}");
        told[0].class
    };
    assert_eq!(class("/rule/0/clients", json!([])), Class::Loosens);
    assert_eq!(class("/rule/0/runners", json!([])), Class::Loosens);
    assert_eq!(class("/rule/0/env", json!({})), Class::Tightens);
    assert_eq!(class("/rule/0/env/E", json!("*")), Class::Loosens);
    assert_eq!(class("/rule/0/identity/npm/versions", json!("*")), Class::Loosens);
    assert_eq!(class("/rule/0/remediation/deadline", json!("2028-01-01")), Class::Loosens);
    assert_eq!(class("/rule/0/remediation/deadline", json!("2026-01-01")), Class::Tightens);
    assert_eq!(class("/rule/0/owner", json!("other")), Class::Neutral);
    assert_eq!(class("/deny", json!([])), Class::Loosens);
    assert_eq!(class("/rule", json!([])), Class::Tightens);
    assert_eq!(class("/deny/0/identity/npm/versions", json!("1.0.0")), Class::Loosens);
    assert_eq!(class("/policy/unknown_members", json!("deny")), Class::Tightens);
    assert_eq!(class("/policy/staleness/expired_after_days", json!(90)), Class::Loosens);
    assert_eq!(class("/exception/0/expires", json!("2028-01-01T00:00:00Z")), Class::Loosens);
}

/// Such a flag is demanded of a module by a rule that names it, so that a project's file of that name is not run.
#[test]
fn a_rule_for_a_module_of_python_loosens_where_it_no_longer_demands_isolation() {
    let between = |old: Value, new: Value| {
        let with = |args: Value| {
            let mut whole = full();
            whole["rule"][0]["identity"] = json!({"script": {"interpreter": "python", "path": "-m good"}});
            whole["rule"][0]["runner_args"] = args;
            document(&whole)
        };
        compare(&with(old), &with(new))
    };
    for (old, new) in
        [(json!(["-I"]), json!([])), (json!(["-P", "-q"]), json!(["-q"])), (json!(["-IB"]), json!(["-B"]))]
    {
        let told = between(old, new);
        assert!(told[0].class == Class::Loosens && told[0].second_approval, "{told:?}");
        assert!(told[0].what.contains("no longer demands"), "{told:?}");
    }
    let told = between(json!(["-q"]), json!(["-q", "-I"]));
    assert_eq!((told.len(), told[0].class), (1, Class::Tightens), "{told:?}");
    assert_eq!(between(json!(["-I"]), json!(["-IB"]))[0].class, Class::Loosens);
    // to other programs the letters mean something else
    let of_java = |args: Value| {
        let mut whole = full();
        whole["rule"][0]["identity"] = json!({"script": {"interpreter": "java", "path": "/opt/x.jar"}});
        whole["rule"][0]["runner_args"] = args;
        document(&whole)
    };
    let told = compare(&of_java(json!([])), &of_java(json!(["-XX:OnError=/tmp/P"])));
    assert_eq!((told.len(), told[0].class), (1, Class::Loosens), "{told:?}");
}

#[test]
fn a_renamed_rule_changes_nothing() {
    let told = changes(|d| d["rule"][0]["id"] = json!("other"));
    let renamed = told.iter().find(|c| c.place == "rule other").unwrap();
    assert_eq!((renamed.class, renamed.what.as_str()), (Class::Neutral, "was called r"));
    assert!(told.iter().all(|c| c.class == Class::Neutral), "{told:?}");
}

#[test]
fn review_and_verifier_agree_on_what_needs_two_people() {
    use mcpolicy_schema::loosens::{loosening, taken_away};
    // Every way to loosen, alone and beside one that was there before.
    let loose: [(&str, Value); 9] = [
        ("/policy/mode", json!("observe")),
        ("/policy/mode", json!("hold")),
        ("/policy/default", json!("allow")),
        ("/policy/ignore_denylist", json!(true)),
        ("/policy/ignore_revocations", json!(true)),
        ("/policy/native/cursor/owner", json!("off")),
        ("/rule/0/identity", json!({"any": {}})),
        ("/ring/0/mode", json!("warn")),
        ("/policy/gate_late", json!("allow")),
    ];
    let with = |changes: &[&(&str, Value)]| {
        let mut other = full();
        changes.iter().for_each(|(at, value)| *other.pointer_mut(at).unwrap() = value.clone());
        document(&other)
    };
    for first in &loose {
        for second in &loose {
            for (old, new) in [
                (with(&[]), with(&[first])),
                (with(&[first]), with(&[first, second])),
                (with(&[first, second]), with(&[first])),
                (with(&[first]), with(&[second])),
            ] {
                let told = compare(&old, &new).iter().any(|change| change.second_signature);
                assert_eq!(told, !taken_away(&old, &new).is_empty(), "{first:?} {second:?}");
                assert!(
                    !told || !loosening(&new).is_empty(),
                    "{first:?} {second:?}: no machine would ask for it"
                );
            }
        }
    }
    // The gate is what only a review can tell.
    let (on, off) = (with(&[]), with(&[&("/policy/gate", json!(false))]));
    assert!(compare(&on, &off)[0].second_signature && loosening(&off).is_empty());
    assert!(compare(&off, &on).iter().all(|change| !change.second_signature));
}

#[test]
fn a_denial_that_denies_less_is_never_called_tighter() {
    let digest = |c: &str| format!("sha256:{}", c.repeat(64));
    let (a, b) = (digest("a"), digest("b"));
    // Of each pair the second denies less; equal ones deny the same.
    let narrower = [
        (json!({"oci": {"image": "e/x"}}), json!({"oci": {"image": "e/x", "digests": [a]}})),
        (
            json!({"oci": {"image": "e/x", "digests": [a, b]}}),
            json!({"oci": {"image": "e/x", "digests": [a]}}),
        ),
        (
            json!({"git": {"repository": "https://h/o/r", "commits": ["*"]}}),
            json!({"git": {"repository": "https://h/o/r", "commits": ["a".repeat(40)]}}),
        ),
        (
            json!({"git": {"repository": "https://h/o/r", "commits": []}}),
            json!({"git": {"repository": "https://h/o/r", "commits": ["a".repeat(40)]}}),
        ),
        (json!({"url": {"url": "https://h/a"}}), json!({"url": {"url": "https://h/a", "subpaths": ["x"]}})),
        (
            json!({"executable": {"path": "/x"}}),
            json!({"executable": {"path": "/x", "sha256": ["a".repeat(64)]}}),
        ),
        (
            json!({"script": {"interpreter": "node", "path": "/x"}}),
            json!({"script": {"interpreter": "node", "path": "/x", "sha256": ["a".repeat(64)]}}),
        ),
        (
            json!({"bridge": {"ecosystem": "npm", "package": "p"}}),
            json!({"bridge": {"ecosystem": "npm", "package": "p", "versions": "1.0.0"}}),
        ),
        (json!({"npm": {"package": "p"}}), json!({"npm": {"package": "p", "versions": "1.0.0"}})),
        (json!({"pypi": {"package": "p"}}), json!({"pypi": {"package": "p", "versions": "1.0.0"}})),
        (json!({"dotnet": {"package": "p"}}), json!({"dotnet": {"package": "p", "versions": "1.0.0"}})),
        (json!({"deno": {"package": "@s/p"}}), json!({"deno": {"package": "@s/p", "versions": "1.0.0"}})),
        (json!({"go": {"package": "h/p"}}), json!({"go": {"package": "h/p", "versions": "v1.0.0"}})),
        (json!({"any": {}}), json!({"npm": {"package": "p"}})),
    ];
    let same = [
        (json!({"oci": {"image": "e/x"}}), json!({"oci": {"image": "e/x", "tags": ["latest"]}})),
        (json!({"url": {"url": "https://h/a"}}), json!({"url": {"url": "https://h/a", "query": {"q": "x"}}})),
        (
            json!({"git": {"repository": "https://h/o/r", "commits": []}}),
            json!({"git": {"repository": "https://h/o/r", "commits": ["*"]}}),
        ),
        (
            json!({"bridge": {"ecosystem": "npm", "package": "p"}}),
            json!({"bridge": {"ecosystem": "npm", "package": "p", "targets": ["https://h/a"]}}),
        ),
    ];
    let with = |identity: &Value| {
        let mut other = full();
        other["deny"][0]["identity"] = identity.clone();
        document(&other)
    };
    let told = |old: &Value, new: &Value| {
        let told = compare(&with(old), &with(new));
        assert_eq!(told.len(), 1, "{told:?}");
        (told[0].class, told[0].second_approval)
    };
    for (wide, narrow) in &narrower {
        assert_eq!(told(wide, narrow), (Class::Loosens, true), "{wide} {narrow}");
        assert_eq!(told(narrow, wide), (Class::Tightens, false), "{narrow} {wide}");
    }
    for (one, other) in &same {
        assert_eq!(told(one, other), (Class::Neutral, false), "{one} {other}");
        assert_eq!(told(other, one), (Class::Neutral, false), "{other} {one}");
    }
}

#[test]
fn machines_that_move_to_a_weaker_mode_by_a_ring_need_two_people() {
    let with = |policy: &str, ring: Value| {
        let mut other = full();
        other["policy"]["mode"] = json!(policy);
        other["ring"] = ring;
        document(&other)
    };
    let weak = |more: Value| {
        let mut ring = json!({"name": "one", "percent": 1, "mode": "warn"});
        ring.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        with("enforce", json!([ring]))
    };
    let strong = |more: Value| {
        let mut ring = json!({"name": "one", "percent": 50, "mode": "enforce", "users": ["u"]});
        ring.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        with("hold", json!([ring]))
    };
    let (small, pilot) = (weak(json!({})), strong(json!({})));
    let loosened = [
        (small.clone(), weak(json!({"percent": 98}))),
        (small.clone(), weak(json!({"users": ["x"]}))),
        (small.clone(), weak(json!({"groups": ["everyone"]}))),
        (small, weak(json!({"devices": ["d"]}))),
        (pilot.clone(), strong(json!({"percent": 1}))),
        (pilot.clone(), strong(json!({"users": []}))),
        (pilot.clone(), strong(json!({"users": ["other"]}))),
        (pilot, with("hold", json!([]))),
    ];
    for (old, new) in &loosened {
        let changes = compare(old, new);
        assert!(changes[0].class == Class::Loosens && changes[0].second_approval, "{changes:?}");
        let back = compare(new, old);
        let is_swap = !new.ring.is_empty() && new.ring[0].users == ["other"];
        assert!(is_swap || back.iter().all(|change| !change.second_approval), "{back:?}");
    }
}

fn rings(of: Value) -> PolicyDocument {
    let mut document_ = full();
    document_["policy"]["mode"] = json!("warn");
    document_["ring"] = of;
    document(&document_)
}

#[test]
fn a_ring_that_comes_to_stand_before_a_stricter_one_needs_two_people() {
    let strict = json!({"name": "strict", "percent": 10, "mode": "enforce"});
    let lax = json!({"name": "lax", "percent": 50, "mode": "observe"});
    let plain = json!({"name": "plain", "percent": 50});
    let two = |old: Value, new: Value| {
        compare(&rings(old), &rings(new)).into_iter().any(|change| {
            change.class == Class::Loosens && change.second_approval && change.what.contains("stands before")
        })
    };
    assert!(two(json!([strict, lax]), json!([lax, strict])));
    assert!(
        two(json!([strict]), json!([plain, strict])),
        "a new ring in the policy's own mode takes them too"
    );
    assert!(!two(json!([lax, strict]), json!([strict, lax])));
    assert!(!two(json!([lax, strict]), json!([lax, strict])));
    assert!(
        !two(json!([plain]), json!([plain, strict])),
        "before, its machines were in the policy's own mode"
    );
}

#[test]
fn a_rule_that_admits_anything_gets_wider_by_two_people_only() {
    let any = |change: fn(&mut Value)| {
        let mut old = full();
        old["rule"][0]["identity"] = json!({"any": {}});
        let mut new = old.clone();
        change(&mut new["rule"][0]);
        (compare(&document(&old), &document(&new)), compare(&document(&new), &document(&old)))
    };
    let wider: [fn(&mut Value); 5] = [
        |rule| ["users", "groups", "devices", "rings"].iter().for_each(|name| rule[*name] = json!([])),
        |rule| rule["devices"] = json!(["d", "e"]),
        |rule| rule["clients"] = json!([]),
        |rule| rule["args"]["positional"] = json!(["..."]),
        |rule| rule["remediation"]["deadline"] = json!("2028-01-01"),
    ];
    for change in wider {
        let (told, _) = any(change);
        assert!(told.iter().any(|c| c.class == Class::Loosens && c.second_approval), "{told:?}");
    }
    let (_, back) = any(wider[1]);
    assert!(back.iter().all(|change| !change.second_approval), "{back:?}");
    let (told, _) = any(|rule| rule["owner"] = json!("p"));
    assert!(told.iter().all(|change| !change.second_approval), "{told:?}");
}

#[test]
fn a_new_rule_is_told_with_what_it_brings() {
    let told = changes(|d| {
        let rule = json!({"id": "n", "identity": {"npm": {"package": "q", "versions": "1.0.0"}},
            "env": {"NODE_OPTIONS": "*"}, "wrappers": ["sh"], "args": {"positional": ["..."]}, "members": ["envFile"],
            "clients": ["cursor"], "tools": {"read": ["all"]}});
        d["rule"].as_array_mut().unwrap().push(rule);
    });
    let [told] = told.as_slice() else { panic!("{told:?}") };
    insta::assert_snapshot!(told.what, @r#"new: admits npm q 1.0.0; wrappers: also "sh"; args.positional: "..." instead of none; env: NODE_OPTIONS = "*" may be there; members: also "envFile"; clients: only "cursor"; tools.read: also "all""#);
}

#[test]
fn the_directory_of_an_exception_is_compared_beside_whatever_else_changes() {
    for directory in [json!("~/src/evil"), Value::Null] {
        let told = changes(|d| {
            d["exception"][0]["ticket"] = json!("t2");
            d["exception"][0]["directory"] = directory;
        });
        let grave = told.iter().find(|change| change.what.contains("~/src/p")).unwrap();
        assert!(grave.class == Class::Loosens && grave.second_approval, "{told:?}");
    }
}

#[test]
fn a_new_exception_is_told_with_what_it_admits_and_for_whom() {
    let told = changes(|d| {
        let mut exception = d["exception"][0].clone();
        exception["id"] = json!("f");
        let mut wide = exception.clone();
        (wide["id"], wide["users"], wide["devices"], wide["directory"]) =
            (json!("g"), json!([]), json!([]), Value::Null);
        d["exception"].as_array_mut().unwrap().extend([exception, wide]);
    });
    let told: Vec<&str> = told.iter().map(|change| change.what.as_str()).collect();
    insta::assert_snapshot!(told.join("\n"), @r#"
    new: admits sha256:00 ("d") until 2027-01-01T00:00:00Z; only in ~/src/p; users: u; devices: d
    new: admits sha256:00 ("d") until 2027-01-01T00:00:00Z; users: all; devices: all
    "#);
}

/// A member that is added to the schema and not to the comparison fails here: each one is changed beside another change.
#[test]
fn no_member_of_any_item_changes_unseen_beside_another_change() {
    for (list, beside) in [("deny", "reason"), ("exception", "ticket"), ("rule", "owner")] {
        let members: Vec<String> = full()[list][0].as_object().unwrap().keys().cloned().collect();
        for member in members.iter().filter(|member| !["id", beside].contains(&member.as_str())) {
            let said = |with: bool| {
                let mut other = full();
                other[list][0][beside] = json!("another");
                if with {
                    other[list][0].as_object_mut().unwrap().remove(member);
                }
                let other: Option<PolicyDocument> = serde_json::from_value(other).ok();
                other.map(|other| compare(&document(&full()), &other).len())
            };
            if let Some(both) = said(true) {
                assert!(both > said(false).unwrap(), "{list}.{member} is not compared");
            }
        }
    }
}

#[test]
fn rules_in_another_order_are_told_as_such_and_admit_nothing() {
    let turned = |with_deadline: bool| {
        let (mut before, mut after) = (full(), full());
        for value in [&mut before, &mut after] {
            let rules = value["rule"].as_array_mut().unwrap();
            let mut second = rules[0].clone();
            second["id"] = json!("second");
            rules.push(second);
            if !with_deadline {
                rules.iter_mut().for_each(|rule| drop(rule.as_object_mut().unwrap().remove("remediation")));
            }
        }
        after["rule"].as_array_mut().unwrap().reverse();
        compare(&document(&before), &document(&after))
    };
    let told = turned(false);
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(
        (told[0].class, &*told[0].place, &*told[0].what),
        (Class::Neutral, "rules", "in another order")
    );
    assert!(!told[0].second_approval);
    let told = turned(true);
    assert_eq!((told.len(), told[0].class), (1, Class::Loosens), "{told:?}");
    assert!(told[0].what.contains("whose deadline"), "{told:?}");
}
