//! Reads an Authentication-Results value. On purpose not the parser of dkim-core: a mistake that writer and reader share would not show.

use std::collections::HashMap;

/// One Authentication-Results field.
#[derive(Debug)]
pub(crate) struct Results {
    /// Who says it.
    pub(crate) authserv_id: String,
    /// What it says, in order.
    pub(crate) methods: Vec<Method>,
}

/// One `method=result` with its properties.
#[derive(Debug)]
pub(crate) struct Method {
    /// Such as `dkim`.
    pub(crate) method: String,
    /// Such as `pass`.
    pub(crate) result: String,
    /// Such as `header.d`; `reason` among them.
    pub(crate) properties: HashMap<String, String>,
}

impl Results {
    /// Reads the value of a field, folds taken out.
    pub(crate) fn read(value: &str) -> Self {
        let mut parts = words(value).into_iter();
        let head = parts.next().unwrap();
        let methods = parts.filter(|part| part.as_slice() != ["none"]).map(|part| Method::read(&part)).collect();
        Self { authserv_id: head[0].clone(), methods }
    }

    /// The results of one method, in order.
    pub(crate) fn of(&self, method: &str) -> Vec<&Method> {
        self.methods.iter().filter(|found| found.method == method).collect()
    }

    /// The words of one method's results, in order.
    pub(crate) fn words(&self, method: &str) -> Vec<&str> {
        self.of(method).into_iter().map(|found| found.result.as_str()).collect()
    }
}

impl Method {
    fn read(words: &[String]) -> Self {
        let pair = |word: &String| {
            let (name, value) = word.split_once('=').unwrap_or_else(|| panic!("`{word}` in {words:?} is not a=b"));
            (name.to_owned(), value.to_owned())
        };
        let (method, result) = pair(&words[0]);
        Self { method, result, properties: words[1..].iter().map(pair).collect() }
    }

    /// The value of a property; the test fails when it is missing.
    pub(crate) fn property(&self, name: &str) -> &str {
        self.properties.get(name).unwrap_or_else(|| panic!("no {name} in {self:?}"))
    }
}

/// Splits at semicolons and white space; comments are dropped, quotes are taken off and keep what they enclose together.
fn words(value: &str) -> Vec<Vec<String>> {
    let mut parts = vec![Vec::new()];
    let mut word = String::new();
    let (mut depth, mut quoted) = (0_u32, false);
    let mut characters = value.chars();
    while let Some(character) = characters.next() {
        let escaped = (character == '\\' && (quoted || depth > 0)).then(|| characters.next().unwrap());
        match character {
            _ if escaped.is_some() => word.extend(escaped.filter(|_| quoted)),
            '"' if depth == 0 => quoted = !quoted,
            _ if quoted => word.push(character),
            '(' => depth += 1,
            ')' => depth -= 1,
            _ if depth > 0 => {}
            ';' | ' ' | '\t' | '\r' | '\n' => {
                if !word.is_empty() {
                    parts.last_mut().unwrap().push(std::mem::take(&mut word));
                }
                if character == ';' {
                    parts.push(Vec::new());
                }
            }
            _ => word.push(character),
        }
    }
    if !word.is_empty() {
        parts.last_mut().unwrap().push(word);
    }
    parts.retain(|part| !part.is_empty());
    parts
}

#[test]
fn results_are_read_with_comments_quotes_and_none() {
    let read =
        Results::read(r#"mx.example 1; dkim=pass (2048-bit; good) header.d=a.example reason="a; b=\"c\""; spf=none"#);
    assert_eq!(read.authserv_id, "mx.example");
    assert_eq!(read.words("dkim"), ["pass"]);
    assert_eq!(read.of("dkim")[0].property("header.d"), "a.example");
    assert_eq!(read.of("dkim")[0].property("reason"), "a; b=\"c\"");
    assert_eq!(read.words("spf"), ["none"]);
    assert!(Results::read("mx.example; none").methods.is_empty());
}
