//! Characters that are not shown as they are, wherever a text that somebody else chose is shown.

/// Whether a character acts on the terminal or cannot be seen: controls, bidirectional overrides, zero-width and
/// filler characters, spaces that are not the space, tags and variation selectors.
pub fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{a0}' | '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{1680}'
            | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{2000}'..='\u{200f}'
            | '\u{2028}'..='\u{202f}' | '\u{205f}'..='\u{206f}' | '\u{2800}' | '\u{3000}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_on_a_terminal_or_hides_is_unseen_and_letters_are_not() {
        for c in ['\u{1b}', '\n', '\u{202e}', '\u{200b}', '\u{a0}', '\u{feff}', '\u{e0041}'] {
            assert!(is_unseen(c), "{c:?}");
        }
        for c in ['a', ' ', 'ß', '日', '\u{301}'] {
            assert!(!is_unseen(c), "{c:?}");
        }
    }
}
