//! What a policy sets and nothing acts on yet. It is checked, compared and signed, so that it can be written ahead; nobody
//! should believe that it protects already.

use mcpolicy_schema::document::{PolicyDocument, ToolClass, Tools};

use crate::authoring::problem::{Problem, Weight};

pub(super) fn check(document: &PolicyDocument, problems: &mut Vec<Problem>) {
    let settings = &document.policy;
    let mut tell = |place: String, what: &str, whose: &str| {
        let message = format!("{what} is not read yet by the running agent: {whose}");
        problems.push(Problem::new(Weight::Note, "not-read-yet", place, message));
    };
    let later = "it acts from the day on which tools are sorted";
    for (is_set, member, whose) in
        [(settings.unlisted_tools != ToolClass::default(), "unlisted_tools", later)]
    {
        if is_set {
            tell(format!("/policy/{member}"), member, whose);
        }
    }
    // Once for all rules: a list of sixty servers sorts the tools of sixty.
    let sorts = |tools: &Tools| *tools != Tools { never: tools.never.clone(), ..Tools::default() };
    let sorted = document.rule.iter().position(|rule| rule.tools.as_ref().is_some_and(sorts));
    if let Some(at) = sorted {
        let what = "what `tools` of this and other rules says besides `never`";
        tell(format!("/rule/{at}/tools"), what, later);
    }
}
