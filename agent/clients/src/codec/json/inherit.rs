//! `__proto__` as jsonc-parser leaves it: the object becomes the prototype, and what it holds can be read as if it
//! stood beside it. `JSON.parse` makes an ordinary member of it, so this is for recovering dialects only. A servers
//! map hidden in there would start in the editor and be found by nobody else.

use crate::node::{Member, Node, Value};

const PROTOTYPE: &str = "__proto__";

/// Whether a text can have such a member at all; escapes are possible in keys.
pub(super) fn is_possible(text: &str) -> bool {
    let bytes = text.as_bytes();
    [&b"__proto__"[..], b"\\u00"].iter().any(|part| memchr::memmem::find(bytes, part).is_some())
}

/// Puts the members of prototypes in front of the members of their objects, which win over them.
pub(super) fn apply(node: &mut Node<'_>) {
    match &mut node.value {
        Value::Array(items) => items.iter_mut().for_each(apply),
        Value::Object(members) => {
            members.iter_mut().for_each(|member| apply(&mut member.value));
            let is_prototype = |m: &Member<'_>| m.key == PROTOTYPE && m.value.is_object();
            if members.iter().any(is_prototype) {
                let (prototypes, own): (Vec<_>, Vec<_>) =
                    std::mem::take(members).into_iter().partition(is_prototype);
                for prototype in prototypes {
                    if let Value::Object(inherited) = prototype.value.value {
                        members.extend(inherited);
                    }
                }
                members.extend(own);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Deep => {}
    }
}
