//! The texts of a recipe: variables in braces, and escapes for what can't be written.

/// The names of the variables in `text`: lower-case words in braces, with no `$` before them.
pub fn variables(text: &str) -> impl Iterator<Item = &str> {
    pieces(text).filter_map(|piece| match piece {
        Piece::Variable(name) => Some(name),
        Piece::Text(_) => None,
    })
}

/// `text` with `value` of each variable in its place.
pub fn filled(text: &str, mut value: impl FnMut(&str) -> String) -> String {
    pieces(text)
        .map(|piece| match piece {
            Piece::Variable(name) => value(name),
            Piece::Text(text) => text.to_owned(),
        })
        .collect()
}

enum Piece<'a> {
    Text(&'a str),
    Variable(&'a str),
}

fn pieces(text: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let mut from = 0;
        while let Some(open) = rest[from..].find('{').map(|at| from + at) {
            let name = rest[open + 1..].split_once('}').map(|(name, _)| name);
            let name = name.filter(|name| {
                !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c == '-')
            });
            match name {
                Some(name) if !rest[..open].ends_with('$') => {
                    if open > 0 {
                        let (text, more) = rest.split_at(open);
                        rest = more;
                        return Some(Piece::Text(text));
                    }
                    rest = &rest[name.len() + 2..];
                    return Some(Piece::Variable(name));
                }
                _ => from = open + 1,
            }
        }
        let text = std::mem::take(&mut rest);
        (!text.is_empty()).then_some(Piece::Text(text))
    })
}

/// The bytes that `text` stands for on the console.
pub fn unescaped(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let mut chars = text.chars();
    let mut buffer = [0; 4];
    while let Some(c) = chars.next() {
        if c != '\\' {
            bytes.extend(c.encode_utf8(&mut buffer).bytes());
            continue;
        }
        let byte = match chars.next() {
            Some('r') => b'\r',
            Some('n') => b'\n',
            Some('t') => b'\t',
            Some('e') => 0x1b,
            Some('\\') => b'\\',
            Some('x') => {
                let digits: String = chars.by_ref().take(2).collect();
                let number = u8::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == 2);
                number.ok_or_else(|| format!(r"\x{digits} is no byte: \x takes two hex digits"))?
            }
            other => {
                let what = other.map(String::from).unwrap_or_default();
                return Err(format!(
                    r"\{what} stands for nothing: there are \r, \n, \t, \e, \\ and \xHH"
                ));
            }
        };
        bytes.push(byte);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_filled_and_other_braces_are_not() {
        let text = "x {a} ${b} {b-c}{A} {a b} awk '{ print $1 }' {a";
        let names: Vec<_> = variables(text).collect();
        assert_eq!(names, ["a", "b-c"]);
        let filled = filled(text, |name| format!("<{name}>"));
        assert_eq!(filled, "x <a> ${b} <b-c>{A} {a b} awk '{ print $1 }' {a");
    }

    #[test]
    fn escapes_stand_for_bytes() {
        assert_eq!(
            unescaped(r"a\r\n\t\e\\\x03é").expect("all are known"),
            "a\r\n\t\x1b\\\x03é".as_bytes()
        );
    }
}
