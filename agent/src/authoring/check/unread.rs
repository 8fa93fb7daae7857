//! What a policy sets and nothing acts on yet. It is checked, compared and signed, so that it can be written ahead; nobody
//! should believe that it protects already.

use mcpolicy_schema::document::{Native, PolicyDocument, ToolClass};

use crate::authoring::problem::{Problem, Weight};

pub(super) fn check(document: &PolicyDocument, problems: &mut Vec<Problem>) {
    let settings = &document.policy;
    let mut tell = |place: String, what: &str, whose: &str| {
        let message = format!("{what} is not read yet by the running agent: {whose}");
        problems.push(Problem::new(Weight::Note, "not-read-yet", place, message));
    };
    let native = "`mcpolicy native apply` writes native policies of clients by it";
    let later = "it acts from the day on which tools are sorted";
    for (is_set, member, whose) in [
        (settings.native.values().any(|own| *own != Native::default()), "native", native),
        (settings.unlisted_tools != ToolClass::default(), "unlisted_tools", later),
    ] {
        if is_set {
            tell(format!("/policy/{member}"), member, whose);
        }
    }
    // Once for all rules: a list of sixty servers sorts the tools of sixty.
    let sorted = document.rule.iter().position(|rule| rule.tools.is_some());
    if let Some(at) = sorted {
        tell(format!("/rule/{at}/tools"), "`tools` of this and other rules", native);
    }
    let formed = document.rule.iter().position(|rule| !rule.native_forms.is_empty());
    if let Some(at) = formed {
        tell(format!("/rule/{at}/native_forms"), "`native_forms` of this and other rules", native);
    }
}
