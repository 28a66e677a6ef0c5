//! Rust source as far as names go: comments and the insides of literals left out, split into tokens.

use std::iter::Peekable;
use std::str::Chars;

/// Names and single signs, in order. A path's `::` is two signs; a literal is gone.
pub fn tokens(source: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = source.chars().peekable();
    while let Some(sign) = rest.next() {
        match sign {
            '/' if rest.peek() == Some(&'/') => skip_to(&mut rest, '\n'),
            '/' if rest.peek() == Some(&'*') => skip_block_comment(&mut rest),
            '"' => skip_string(&mut rest),
            '\'' => skip_char_or_lifetime(&mut rest),
            sign if is_name(sign) => {
                let mut name = sign.to_string();
                while let Some(more) = rest.next_if(|sign| is_name(*sign)) {
                    name.push(more);
                }
                let prefixes_raw = matches!(name.as_str(), "r" | "br" | "cr");
                if !(prefixes_raw && skip_raw_string(&mut rest)) {
                    tokens.push(name);
                }
            }
            sign if sign.is_whitespace() => {}
            sign => tokens.push(sign.into()),
        }
    }
    tokens
}

fn is_name(sign: char) -> bool {
    sign.is_alphanumeric() || sign == '_'
}

fn skip_to(rest: &mut Peekable<Chars<'_>>, end: char) {
    while rest.next().is_some_and(|sign| sign != end) {}
}

/// Behind the first `/` of `/* ... */`, which may hold others.
fn skip_block_comment(rest: &mut Peekable<Chars<'_>>) {
    let mut depth = 0u32;
    let mut last = '/';
    for sign in rest.by_ref() {
        match (last, sign) {
            ('/', '*') => depth += 1,
            ('*', '/') => depth -= 1,
            _ => {
                last = sign;
                continue;
            }
        }
        if depth == 0 {
            return;
        }
        // A sign is part of one mark only.
        last = ' ';
    }
}

/// Behind the opening quote.
fn skip_string(rest: &mut Peekable<Chars<'_>>) {
    while let Some(sign) = rest.next() {
        match sign {
            '\\' => {
                rest.next();
            }
            '"' => return,
            _ => {}
        }
    }
}

/// Behind the prefix of what may be a raw string; whether it was one. A raw identifier's `#` is skipped all the same.
fn skip_raw_string(rest: &mut Peekable<Chars<'_>>) -> bool {
    let mut hashes = 0;
    while rest.next_if_eq(&'#').is_some() {
        hashes += 1;
    }
    if rest.next_if_eq(&'"').is_none() {
        // `r#name`: the name follows as a token of its own, and the prefix is none.
        return hashes > 0;
    }
    while rest.any(|sign| sign == '"') {
        if (0..hashes).all(|_| rest.next_if_eq(&'#').is_some()) {
            break;
        }
    }
    true
}

/// Behind a `'`: a character ends with another one, the name of a lifetime does not.
fn skip_char_or_lifetime(rest: &mut Peekable<Chars<'_>>) {
    let mut ahead = rest.clone();
    match (ahead.next(), ahead.next()) {
        (Some('\\'), Some(_)) => {
            rest.nth(1);
            skip_to(rest, '\'');
        }
        (Some(_), Some('\'')) => skip_to(rest, '\''),
        _ => while rest.next_if(|sign| is_name(*sign)).is_some() {},
    }
}

#[test]
fn comments_and_literals_are_no_names() {
    let cases = [
        ("a // b\nc", "a c"),
        ("a /* b /* c */ d */ e", "a e"),
        ("a /*/ b */ c", "a c"),
        (r#"a = "http://b" + c"#, "a = + c"),
        (r#"a = "\"b" + c"#, "a = + c"),
        (r##"a = r"\" + b; c = r#"d " e"# + f"##, "a = + b ; c = + f"),
        (r##"a = br#"b"# + c"##, "a = + c"),
        (r#"a = b"c" + d"#, "a = b + d"),
        (r#"a = '"' + b + '\'' + c + '\u{22}' + d"#, "a = + b + + c + + d"),
        ("fn a<'b>(c: &'b str, d: 'b) {}", "fn a < > ( c : & str , d : ) { }"),
        ("use r#type::a;", "use type : : a ;"),
    ];
    for (source, expected) in cases {
        assert_eq!(tokens(source).join(" "), expected, "{source}");
    }
}
