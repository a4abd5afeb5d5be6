//! What options mean beside each other: what OpenDKIM refuses, in its words, and what it takes although it cannot be meant.

use super::super::diagnostics::{CONFIG_CONFLICT, CONFIG_UNUSED, Location};
use super::super::old_file::{OLD_HOLE, OLD_VALUE, Settings};
use super::OpenDkim;
use super::verifying::Action;
use crate::dataset::Spec;

/// Adds the findings, and takes away what is ignored beside something else.
pub(super) fn check(read: &mut OpenDkim, settings: &mut Settings<'_>, whole: &Location) {
    keys(read, settings, whole);
    ignored_beside_the_table(read, settings);
    hosts(read, settings);
    always_reported(settings);
    results(read, settings);
    body_length(read, settings);
}

/// §1.2: signing needs (Domain, KeyFile, Selector), or (KeyTable, SigningTable), or (KeyTable, SetupPolicyScript).
fn keys(read: &OpenDkim, settings: &mut Settings<'_>, whole: &Location) {
    let choosing = &read.choosing;
    // What is there and could not be read has its finding already.
    let [domain, selector, key_file, key_table, signing_table, script] =
        ["Domain", "Selector", "KeyFile", "KeyTable", "SigningTable", "SetupPolicyScript"]
            .map(|name| settings.has(name));
    if signing_table && !key_table {
        let at = choosing.signing_table.as_ref().map_or(whole, |table| &table.at);
        let fix = "name the keys in a `KeyTable`, one `NAME DOMAIN:SELECTOR:/PATH` a line";
        settings.report(at, CONFIG_CONFLICT, "use of SigningTable requires KeyTable", fix);
    }
    if !choosing.mode.signs() {
        return;
    }
    if key_table && !signing_table {
        let at = choosing.key_table.as_ref().map_or(whole, |table| &table.at);
        if script {
            let cause = "without `SigningTable` no key of it signs: the script that would choose is not run";
            settings.report(at, CONFIG_UNUSED, cause, "write who signs with which key into a `SigningTable`");
        } else {
            let cause = "KeyTable requires either SigningTable or SetupPolicyScript";
            settings.report(at, CONFIG_CONFLICT, cause, "write who signs with which key into a `SigningTable`");
        }
    }
    if key_table {
        return;
    }
    let at = choosing.domain.as_ref().map(|domain| domain.at.clone());
    let at = at.or_else(|| choosing.selector.as_ref().map(|selector| selector.at.clone()));
    let at = at.or_else(|| choosing.key_file.as_ref().map(|file| file.at.clone()));
    let at = at.as_ref().unwrap_or(whole);
    if selector != key_file {
        let cause = "KeyFile and Selector must both be defined or both be undefined";
        let missing = if selector { "add `KeyFile /PATH`" } else { "add `Selector NAME`" };
        settings.report(at, CONFIG_CONFLICT, cause, missing);
    } else if domain && !key_file {
        let fix = "add `KeyFile /PATH` and `Selector NAME`, or `Mode v` if nothing is to be signed";
        settings.report(at, CONFIG_CONFLICT, "Domain requires KeyFile and Selector", fix);
    } else if key_file && !domain {
        let cause = "without `Domain` nothing is signed with this key";
        settings.report(at, CONFIG_UNUSED, cause, "add `Domain example.com`: whose mail it signs");
    }
}

/// §1.2: "All three ignored when KeyTable is set".
fn ignored_beside_the_table(read: &mut OpenDkim, settings: &mut Settings<'_>) {
    let choosing = &mut read.choosing;
    if choosing.key_table.is_none() {
        return;
    }
    let places = [
        choosing.domain.take().map(|domain| domain.at),
        choosing.selector.take().map(|selector| selector.at),
        choosing.key_file.take().map(|file| file.at),
    ];
    for at in places.into_iter().flatten() {
        let cause = "no effect beside `KeyTable`, which with `SigningTable` decides who signs";
        settings.report(&at, CONFIG_UNUSED, cause, "remove the line");
    }
    if let Some(flag) = settings.flag("SubDomains").filter(|flag| flag.value) {
        let cause = "no effect beside `SigningTable`, whose lookup goes up to parent domains by itself";
        settings.report(&flag.at, CONFIG_UNUSED, cause, "remove the line; `.example.com` is what is below example.com");
    }
}

/// §8 (6) and what users believe of these lists.
fn hosts(read: &OpenDkim, settings: &mut Settings<'_>) {
    let choosing = &read.choosing;
    if let (Some(external), None) = (&choosing.external_ignore_list, &choosing.internal_hosts) {
        let cause = "it only silences a line of the log: mail of these hosts is not signed for being in this list";
        let fix = "name the hosts whose mail is to be signed in `InternalHosts`, with 127.0.0.1";
        settings.report(&external.at, CONFIG_UNUSED, cause, fix);
    }
    if let Some(peers) = &choosing.peer_list {
        let cause = "mail of these hosts is let through untouched: neither signed nor verified, and results that \
                     somebody forged stay in it";
        let fix = "name hosts whose mail is to be signed in `InternalHosts` in its place";
        settings.report(&peers.at, OLD_HOLE, cause, fix);
    }
    if let Some(macros) = &choosing.macro_list
        && matches!(Spec::parse(&macros.value), Ok(Spec::Refile(_) | Spec::External(_)))
    {
        let cause = "invalid data set type for MacroList";
        let fix = "write `csl:NAME=VALUE` or name a `file:`";
        settings.report(&macros.at, CONFIG_CONFLICT, cause, fix);
    }
}

/// Checks that are made whatever the option says.
fn always_reported(settings: &mut Settings<'_>) {
    if let Some(check) = settings.flag("CheckSigningTable").filter(|check| !check.value) {
        let cause = "the rows are checked all the same; what is found is a warning and stops no other domain";
        settings.report(&check.at, OLD_VALUE, cause, "remove the line");
    }
}

/// §8 (6): `AlwaysAddARHeader` takes the effect of `On-NoSignature` away.
fn results(read: &OpenDkim, settings: &mut Settings<'_>) {
    if read.results.always_add
        && read.verifying.on.no_signature != Action::Accept
        && let Some(flag) = settings.flag("AlwaysAddARHeader")
    {
        let cause = "with it `On-NoSignature` has no effect: mail without signatures gets `dkim=none` and passes";
        let fix = "decide for one of both; OpenDKIM behaves so, and nothing says it";
        settings.report(&flag.at, CONFIG_UNUSED, cause, fix);
    }
}

/// RFC 6376 §8.2: what `l=` leaves unsigned anybody may write.
fn body_length(read: &OpenDkim, settings: &mut Settings<'_>) {
    let signing = &read.signing;
    let database = signing.body_length_db.as_ref().map(|database| &database.at);
    for at in database.into_iter().chain(signing.maximum_signed_bytes.as_ref().map(|most| &most.at)) {
        let cause = "such signatures leave the end of the body open (`l=`): anybody can add text to a message and our \
                     signature still passes";
        settings.report(at, OLD_HOLE, cause, "remove the line");
    }
}
