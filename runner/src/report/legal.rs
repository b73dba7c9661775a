//! Text that every reader of a report takes.

use std::borrow::Cow;

/// `text` with what no report may hold replaced by U+FFFD: characters that XML 1.0 forbids, and
/// control characters, which steer terminals. What a target says can hold any of them.
pub fn legal(text: &str) -> Cow<'_, str> {
    if text.chars().all(is_legal) {
        return text.into();
    }
    text.chars().map(|c| if is_legal(c) { c } else { char::REPLACEMENT_CHARACTER }).collect()
}

/// `text` on one line, with single spaces.
pub fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

const fn is_legal(c: char) -> bool {
    !matches!(c,
        '\0'..='\x08' | '\x0b'..='\x1f' | '\x7f'..='\u{9f}' | '\u{fffe}' | '\u{ffff}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_steers_a_terminal_or_breaks_xml_is_replaced() {
        assert_eq!(legal("a\tb\nc \u{fffd}é😀"), "a\tb\nc \u{fffd}é😀");
        for c in ['\0', '\x1b', '\r', '\x0c', '\x7f', '\u{85}', '\u{fffe}', '\u{ffff}'] {
            assert_eq!(legal(&format!("a{c}b")), "a\u{fffd}b", "{c:?}");
        }
        assert_eq!(one_line(" a\r\n  b\t c "), "a b c");
    }

    proptest! {
        #[test]
        fn what_is_legal_stays_so(text in any::<String>()) {
            let once = legal(&text).into_owned();
            prop_assert_eq!(legal(&once), once.as_str());
            prop_assert_eq!(once.chars().count(), text.chars().count());
        }
    }
}
