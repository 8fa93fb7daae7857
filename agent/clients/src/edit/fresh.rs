//! What is not there yet: members and lists to be made, gathered by the place where they go.

use super::Unfaithful;
use super::pieces::Alone;

/// A value to be written.
pub(super) enum Fresh {
    /// Strings.
    List(Vec<String>),
    /// Members in order.
    Map(Vec<Made>),
    /// A boolean.
    Flag(bool),
}

/// A member to be written.
pub(super) struct Made {
    pub(super) key: String,
    pub(super) value: Text,
}

/// How a member's text comes about.
pub(super) enum Text {
    /// From a value.
    Of(Fresh),
    /// The whole member, key included, as it stood in a file.
    AsItWas(Alone),
}

/// Adds a member below others that are to be made: `path` are the keys down to it, its own last.
pub(super) fn add(members: &mut Vec<Made>, path: &[String], value: Text) -> Result<(), Unfaithful> {
    let Some((key, rest)) = path.split_first() else { return Err(Unfaithful::NotExpressible("no name")) };
    let there = members.iter_mut().find(|made| made.key == *key);
    match (there, rest.is_empty(), value) {
        (None, true, value) => members.push(Made { key: key.clone(), value }),
        (None, false, value) => {
            let mut inner = Vec::new();
            add(&mut inner, rest, value)?;
            members.push(Made { key: key.clone(), value: Text::Of(Fresh::Map(inner)) });
        }
        (Some(Made { value: Text::Of(Fresh::Map(inner)), .. }), false, value) => add(inner, rest, value)?,
        // Two approvals for a list that neither found.
        (Some(Made { value: Text::Of(Fresh::List(items)), .. }), true, Text::Of(Fresh::List(more))) => {
            more.into_iter().for_each(|item| {
                if !items.contains(&item) {
                    items.push(item);
                }
            });
        }
        (Some(_), ..) => return Err(Unfaithful::Taken),
    }
    Ok(())
}
