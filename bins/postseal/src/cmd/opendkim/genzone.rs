//! `opendkim-genzone`: the records of all keys of a KeyTable, as a zone file or for `nsupdate`.
//!
//! The output is that of Debian's tool, octet by octet: RSA keys in strings of at most 66 letters, `\;` in quotes, the SOA record with its serial number by
//! the hour. Ed25519 keys, which that tool cannot read, have the same form.
//!
//! Other than there, nothing is written when one of the keys cannot be used, a KeyTable may be of the type `refile:`, and what `-v` counts does not get
//! into the zone.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use dkim_core::crypto::SigningKey;
use dkim_core::domain::DomainName;
use dkim_core::key_record::KeyRecord;
use jiff::Zoned;
use nix::unistd::{Uid, User};

use super::args::{Given, Rule, Takes};
use super::tables::{Config, Entry, Table, named};
use super::{Console, Stop, code};

pub(super) const RULES: [Rule; 19] = [
    Rule::new('C', "contact", Takes::Text),
    Rule::new('d', "domain", Takes::Text),
    Rule::new('D', "suffix", Takes::Nothing),
    Rule::new('E', "expire", Takes::Number),
    Rule::new('F', "full-names", Takes::Nothing),
    Rule::new('M', "email-only", Takes::Nothing),
    Rule::new('N', "nameservers", Takes::Text),
    Rule::new('o', "output", Takes::Text),
    Rule::new('r', "refresh", Takes::Number),
    Rule::new('R', "retry", Takes::Number),
    Rule::new('s', "subdomains", Takes::Nothing),
    Rule::new('S', "soa", Takes::Nothing),
    Rule::new('t', "ttl", Takes::Number),
    Rule::new('T', "default-ttl", Takes::Number),
    Rule::new('u', "nsupdate", Takes::Nothing),
    Rule::new('v', "verbose", Takes::Count),
    Rule::new('x', "config", Takes::Text),
    Rule::long("version", Takes::Nothing),
    Rule::long("help", Takes::Nothing),
];

pub(super) const USAGE: &str = "\
usage: opendkim-genzone [options] [KEYTABLE]
  -C, --contact ADDRESS   contact in the SOA record [the user at this host]
  -d, --domain NAME       keys of this domain only
  -D, --suffix            names with ._domainkey
  -E, --expire SECONDS    time to expire in the SOA record [604800]
  -F, --full-names        names with ._domainkey, the domain and a final dot
  -M, --email-only        the keys are for email only
  -N, --nameservers LIST  NS records for these servers, with commas between them
  -o, --output FILE       write to this file
  -r, --refresh SECONDS   time to refresh in the SOA record [10800]
  -R, --retry SECONDS     time to retry in the SOA record [1800]
  -s, --subdomains        with -d: keys of its subdomains as well
  -S, --soa               begin with an SOA record
  -t, --ttl SECONDS       time to live of each record
  -T, --default-ttl SECONDS
                          time to live in the SOA record, and with -u of each record [86400]
  -u, --nsupdate          write commands for nsupdate
  -v, --verbose           say what is done; -vv says it key by key
  -x, --config FILE       opendkim.conf with the KeyTable [/etc/opendkim.conf]
      --version           print the version
      --help              print this
KEYTABLE is a data set as in opendkim.conf: file:PATH, refile:PATH, or a list
exit codes: 0 written, 1 not written, 64 the command line is wrong, 78 the configuration is wrong
";

/// Columns of a line of the zone file at which the string ends.
const MARGIN: usize = 75;

/// The columns that a line of nothing but key begins with.
const INDENT: usize = 9;

/// Letters of a string for `nsupdate`, which are counted with the backslashes.
const MAX_STRING: usize = 255;

/// Most name servers.
const MAX_SERVERS: usize = 16;

/// Most seconds of a time to live (RFC 2181 §8).
const MAX_SECONDS: i64 = 0x7fff_ffff;

/// The form of the output.
struct Form<'a> {
    suffix: Suffix,
    is_for_email: bool,
    ttl: Option<i64>,
    default_ttl: i64,
    only: Option<&'a str>,
    for_nsupdate: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Suffix {
    None,
    DomainKey,
    Full,
}

pub(super) fn run(given: &Given, console: &mut Console<'_>) -> Result<u8, Stop> {
    let seconds = |name: &str, words: &str, default: i64| match given.number(name) {
        None => Ok(default),
        Some(seconds @ 0..=MAX_SECONDS) => Ok(seconds),
        Some(_) => {
            Err(Stop::new(code::USAGE, format!("invalid {words} value"), "seconds are wanted, from 0 to 2147483647"))
        }
    };
    let only = given.utf8("domain")?.map(|domain| match DomainName::parse(domain) {
        Ok(parsed) if !domain.is_ascii() => parsed.to_string(),
        _ => domain.to_owned(),
    });
    let form = Form {
        suffix: match (given.has("full-names"), given.has("suffix")) {
            (true, _) => Suffix::Full,
            (false, true) => Suffix::DomainKey,
            (false, false) => Suffix::None,
        },
        is_for_email: given.has("email-only"),
        ttl: given.number("ttl").map(|_| seconds("ttl", "TTL", 0)).transpose()?,
        default_ttl: seconds("default-ttl", "default TTL", 86_400)?,
        only: only.as_deref(),
        for_nsupdate: given.has("nsupdate"),
    };
    let soa = Soa {
        refresh: seconds("refresh", "refresh", 10_800)?,
        retry: seconds("retry", "retry", 1800)?,
        expire: seconds("expire", "expire", 604_800)?,
        contact: given.utf8("contact")?.map(|contact| contact.replace('@', ".")),
    };
    if form.for_nsupdate && form.suffix != Suffix::Full {
        console.warn("nsupdate takes the names as they are here, for names below the root", "add -F");
    }
    let servers = servers(given)?;
    if let Some(file) = given.rest.first().filter(|name| !name.as_bytes().contains(&b':') && Path::new(name).is_file())
        && !file.as_bytes().starts_with(b"/")
    {
        let file = Path::new(file).display();
        console.warn(format_args!("`{file}` is taken for a list and not for the file"), format_args!("`file:{file}`"));
    }
    let Table { entries, findings } = table(given)?;
    console.findings(&findings);
    let verbosity = given.count("verbose");
    if verbosity > 0 {
        console.say("database opened");
    }
    let (first, now) = (servers.first().cloned().unwrap_or_else(host_name), Zoned::now());
    let mut text = if form.for_nsupdate { format!("server {first}\n") } else { head(&form, &now, console.program) };
    if !form.for_nsupdate && given.has("soa") {
        soa.write(&mut text, &first, form.default_ttl, &now);
    }
    if !form.for_nsupdate && !servers.is_empty() {
        servers.iter().for_each(|server| line(&mut text, format_args!("\tIN\tNS\t{server}")));
        text.push('\n');
    }
    let mut stopped = None;
    for (index, entry) in entries.iter().enumerate() {
        let name = &entry.name;
        if !form.wants(&entry.domain, given.has("subdomains")) {
            console.say(format_args!("record {index} for '{name}' skipped"));
            continue;
        }
        if verbosity > 1 {
            console.say(format_args!("record {index} for '{name}' retrieved"));
        }
        match entry.load() {
            Ok(key) => {
                if verbosity > 1 {
                    console.say(format_args!("key for '{name}' loaded"));
                }
                form.record(&mut text, entry, &*key)?;
            }
            Err(findings) => {
                console.say(format_args!("key for '{name}' load failed"));
                if let Err(words) = &entry.key {
                    console.add(words);
                }
                console.findings(&findings);
                stopped = Some(code::FAILED);
            }
        }
    }
    if let Some(code) = stopped {
        return Err(Stop::new(code, "", "mend the keys, or leave their domains out with -d: nothing was written"));
    }
    if form.for_nsupdate {
        text.push_str("send\nanswer\n");
    }
    put(given, &text, console)?;
    if verbosity > 0 {
        let (count, plural) = (entries.len(), if entries.len() == 1 { "" } else { "s" });
        console.say(format_args!("{count} record{plural} written"));
    }
    Ok(code::OK)
}

/// The KeyTable named on the command line, else that of the configuration file.
fn table(given: &Given) -> Result<Table, Stop> {
    let config = Config::read(given.text("config"))?;
    let dataset = match given.rest.first() {
        Some(dataset) => dataset.to_str().map(named),
        None => config.and_then(|config| config.key_table),
    };
    let Some(dataset) = dataset else {
        let cause = "no KeyTable is named, neither here nor in the configuration file";
        return Err(Stop { shows_usage: true, ..Stop::new(code::USAGE, cause, "") });
    };
    Table::read(&dataset)
}

/// The servers of `-N`.
fn servers(given: &Given) -> Result<Vec<String>, Stop> {
    let list = given.utf8("nameservers")?.unwrap_or_default();
    Ok(list.split(',').filter(|server| !server.is_empty()).take(MAX_SERVERS).map(str::to_owned).collect())
}

/// Writes the whole output, to a file or to standard output.
fn put(given: &Given, text: &str, console: &mut Console<'_>) -> Result<(), Stop> {
    let Some(file) = given.text("output").map(Path::new) else { return Ok(console.out.write_all(text.as_bytes())?) };
    fs::write(file, text)
        .map_err(|error| Stop::new(code::FAILED, format!("{}: fopen(): {}", file.display(), super::system(&error)), ""))
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    let _ = writeln!(text, "{line}");
}

fn head(form: &Form<'_>, now: &Zoned, program: &str) -> String {
    let mut text = "; DKIM public key zone data\n".to_owned();
    if let Some(domain) = form.only {
        line(&mut text, format_args!("; for {domain}"));
    }
    // As `ctime` writes it, with its line end, and one more.
    line(&mut text, format_args!("; auto-generated by {program} at {}\n", now.strftime("%a %b %e %H:%M:%S %Y")));
    text
}

struct Soa {
    refresh: i64,
    retry: i64,
    expire: i64,
    contact: Option<String>,
}

impl Soa {
    /// RFC 1035 §3.3.13. The serial number follows the clock of the host, as it did: one by another clock might go back.
    fn write(&self, text: &mut String, server: &str, default_ttl: i64, now: &Zoned) {
        let contact = self.contact.clone().unwrap_or_else(|| {
            let user = User::from_uid(Uid::current()).ok().flatten();
            format!("{}.{}", user.map_or_else(|| "hostmaster".to_owned(), |user| user.name), host_name())
        });
        let Self { refresh, retry, expire, .. } = self;
        line(text, format_args!("@\tIN\tSOA\t{server}\t{contact}\t ("));
        line(text, format_args!("\t{}   ; Serial (yyyymmddhh)", now.strftime("%Y%m%d%H")));
        line(text, format_args!("\t{refresh:<10}   ; Refresh"));
        line(text, format_args!("\t{retry:<10}   ; Retry"));
        line(text, format_args!("\t{expire:<10}   ; Expire"));
        line(text, format_args!("\t{default_ttl:<10} ) ; Default\n"));
    }
}

/// The name of this host.
fn host_name() -> String {
    let system = nix::sys::utsname::uname();
    let name = system.as_ref().ok().and_then(|system| system.nodename().to_str());
    name.filter(|name| !name.is_empty()).unwrap_or("localhost").to_owned()
}

impl Form<'_> {
    /// Whether a key of `domain` was asked for.
    fn wants(&self, domain: &str, with_subdomains: bool) -> bool {
        let Some(only) = self.only else { return true };
        let below = || {
            let front = domain.len().checked_sub(only.len()).and_then(|at| domain.split_at_checked(at));
            front.is_some_and(|(front, end)| front.ends_with('.') && end.eq_ignore_ascii_case(only))
        };
        domain.eq_ignore_ascii_case(only) || (with_subdomains && below())
    }

    /// The record of one key.
    fn record(&self, text: &mut String, entry: &Entry, key: &dyn SigningKey) -> Result<(), Stop> {
        let Entry { name, domain, selector, .. } = entry;
        if entry.is_for_many() && (self.suffix == Suffix::Full || self.for_nsupdate) {
            let cause = format!("'{name}' is a key of many domains (`%`), and its record needs the name of one");
            let fix = "write the names without -F and -u, and include the file in each zone";
            return Err(Stop::new(code::FAILED, cause, fix));
        }
        let owner = match self.suffix {
            Suffix::None => selector.clone(),
            Suffix::DomainKey => format!("{selector}._domainkey"),
            Suffix::Full => format!("{selector}._domainkey.{domain}."),
        };
        let published = KeyRecord::text_for(key);
        let octets = published.rsplit_once("p=").map_or("", |(_, octets)| octets);
        let kind = key.algorithm().key_type();
        let service = if self.is_for_email { r"s=email\;" } else { "" };
        let front = format!(r"v=DKIM1\;k={kind}\;{service}p=");
        if self.for_nsupdate {
            line(text, format_args!("zone {domain}"));
            let ttl = self.ttl.unwrap_or(self.default_ttl);
            let strings = cut(&front, octets, MAX_STRING, 0, "\" \"");
            line(text, format_args!("update add {owner} {ttl} TXT \"{strings}\""));
        } else {
            let ttl = self.ttl.map(|ttl| format!("\t{ttl}")).unwrap_or_default();
            let strings = cut(&front, octets, MARGIN, INDENT, "\"\n\t\"");
            line(text, format_args!("{owner}{ttl}\tIN\tTXT\t( \"{strings}\" )"));
        }
        Ok(())
    }
}

/// `front` and `key` in strings with `between` between them: each ends where `most` columns are full, and each but the first begins at `indent`.
fn cut(front: &str, key: &str, most: usize, indent: usize, between: &str) -> String {
    let (mut text, mut column) = (front.to_owned(), front.len());
    for letter in key.chars() {
        if column >= most {
            text.push_str(between);
            column = indent;
        }
        text.push(letter);
        column = column.saturating_add(1);
    }
    text
}
