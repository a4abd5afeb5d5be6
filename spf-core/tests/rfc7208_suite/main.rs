//! The openspf conformance suite for RFC 7208: 203 cases, one test each.
//!
//! The cases are data (`tests/vectors/spf-rfc7208`); the list below gives each its name as a test, and a test of its own compares the list with
//! the data. Where the suite allows two results, [`CHOICES`] says which is ours and why.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "the helpers read data of this package; what fails there fails the test"
)]

mod zone;

use std::sync::LazyLock;

use serde_json::{Map, Value};
use spf_core::check::check_mail_from;
use spf_core::identity::{Sender, Session};
use spf_core::limits::Limits;

use crate::zone::{Zone, bytes};

/// Cases with two acceptable results: ours, and why.
const CHOICES: &[(&str, &str, &str)] = &[
    ("multispf1", "permerror", "two equal records are two; a resolver that unites them gives the other result"),
    ("invalid-domain-empty-label", "fail", "a name that cannot be asked about does not match (S-21)"),
    ("invalid-domain-long", "fail", "a name that cannot be asked about does not match (S-21)"),
    ("invalid-domain-long-via-macro", "fail", "a name that cannot be asked about does not match (S-21)"),
    ("p-macro-multiple", "pass", "a name within the domain is preferred for %{p}, as section 7.3 says it SHOULD be"),
    ("ptr-limit", "neutral", "the eleventh name is ignored, and the data has it last"),
];

static SUITE: LazyLock<Vec<Value>> =
    LazyLock::new(|| serde_json::from_str(include_str!("../vectors/spf-rfc7208/rfc7208-tests.json")).unwrap());

fn scenario(description: &str) -> &'static Map<String, Value> {
    SUITE.iter().filter_map(Value::as_object).find(|scenario| scenario["description"] == description).unwrap()
}

/// Runs one case and compares result and explanation.
fn run(description: &str, name: &str) {
    let scenario = scenario(description);
    let case = &scenario["tests"][name];
    let text = |key: &str| bytes(case[key].as_str().unwrap());
    let zone = Zone::new(scenario["zonedata"].as_object().unwrap());
    let session = Session::new(case["host"].as_str().unwrap().parse().unwrap(), text("helo"));
    let sender = match &text("mailfrom")[..] {
        b"" => Sender::null(),
        // The suite writes mailboxes without quotes, so the last "@" is the one.
        path => {
            let at = path.iter().rposition(|&byte| byte == b'@').unwrap();
            let (local, domain) = path.split_at(at);
            Sender::from_parts(local, &domain[1..])
        }
    };
    let outcome = check_mail_from(&session, &sender, &Limits::default()).run(|question| zone.answer(question));

    let result = outcome.result.as_str();
    match &case["result"] {
        Value::String(expected) => assert_eq!(result, expected, "{:?}: {outcome:#?}", outcome.cause),
        Value::Array(allowed) => {
            let (_, ours, _) = CHOICES.iter().find(|(choice, ..)| *choice == name).unwrap();
            assert!(allowed.iter().any(|allowed| allowed == ours));
            assert_eq!(result, *ours, "{:?}: {outcome:#?}", outcome.cause);
        }
        other => panic!("unexpected {other}"),
    }
    let explanation = outcome.explanation.as_ref().map(|explanation| explanation.text.as_str());
    match case.get("explanation").map(|text| text.as_str().unwrap()) {
        None => (),
        Some("DEFAULT") => assert_eq!(explanation, None),
        Some(expected) => assert_eq!(explanation, Some(expected)),
    }
}

macro_rules! suite {
    ($($module:ident = $description:literal { $($test:ident = $name:literal,)* })*) => {
        $(mod $module {
            $(#[test]
            fn $test() {
                super::run($description, $name);
            })*
        })*

        /// The tests of this file, by scenario.
        const LISTED: &[(&str, &[&str])] = &[$(($description, &[$($name),*]),)*];
    };
}

suite! {
    initial_processing = "Initial processing" {
        toolonglabel = "toolonglabel",
        longlabel = "longlabel",
        emptylabel = "emptylabel",
        helo_not_fqdn = "helo-not-fqdn",
        helo_domain_literal = "helo-domain-literal",
        nolocalpart = "nolocalpart",
        domain_literal = "domain-literal",
        non_ascii_policy = "non-ascii-policy",
        non_ascii_mech = "non-ascii-mech",
        non_ascii_result = "non-ascii-result",
        non_ascii_non_spf = "non-ascii-non-spf",
        control_char_policy = "control-char-policy",
        two_spaces = "two-spaces",
        trailing_space = "trailing-space",
        null_text = "null-text",
        badip4 = "badip4",
    }
    record_lookup = "Record lookup" {
        both = "both",
        txtonly = "txtonly",
        spfonly = "spfonly",
        spftimeout = "spftimeout",
        txttimeout = "txttimeout",
        nospftxttimeout = "nospftxttimeout",
        alltimeout = "alltimeout",
    }
    selecting_records = "Selecting records" {
        nospace1 = "nospace1",
        empty = "empty",
        nospace2 = "nospace2",
        spfoverride = "spfoverride",
        multitxt1 = "multitxt1",
        multitxt2 = "multitxt2",
        multispf1 = "multispf1",
        multispf2 = "multispf2",
        nospf = "nospf",
        case_insensitive = "case-insensitive",
    }
    record_evaluation = "Record evaluation" {
        detect_errors_anywhere = "detect-errors-anywhere",
        modifier_charset_good = "modifier-charset-good",
        modifier_charset_bad1 = "modifier-charset-bad1",
        modifier_charset_bad2 = "modifier-charset-bad2",
        redirect_after_mechanisms1 = "redirect-after-mechanisms1",
        redirect_after_mechanisms2 = "redirect-after-mechanisms2",
        default_result = "default-result",
        redirect_is_modifier = "redirect-is-modifier",
        invalid_domain = "invalid-domain",
        invalid_domain_empty_label = "invalid-domain-empty-label",
        invalid_domain_long = "invalid-domain-long",
        invalid_domain_long_via_macro = "invalid-domain-long-via-macro",
    }
    all_mechanism = "ALL mechanism syntax" {
        all_dot = "all-dot",
        all_arg = "all-arg",
        all_cidr = "all-cidr",
        all_neutral = "all-neutral",
        all_double = "all-double",
    }
    ptr_mechanism = "PTR mechanism syntax" {
        ptr_cidr = "ptr-cidr",
        ptr_match_target = "ptr-match-target",
        ptr_match_implicit = "ptr-match-implicit",
        ptr_nomatch_invalid = "ptr-nomatch-invalid",
        ptr_match_ip6 = "ptr-match-ip6",
        ptr_empty_domain = "ptr-empty-domain",
        ptr_case_change = "ptr-case-change",
        ptr_cname_loop = "ptr-cname-loop",
    }
    a_mechanism = "A mechanism syntax" {
        a_cidr6 = "a-cidr6",
        a_bad_cidr4 = "a-bad-cidr4",
        a_bad_cidr6 = "a-bad-cidr6",
        a_dual_cidr_ip4_match = "a-dual-cidr-ip4-match",
        a_dual_cidr_ip4_err = "a-dual-cidr-ip4-err",
        a_dual_cidr_ip6_match = "a-dual-cidr-ip6-match",
        a_dual_cidr_ip4_default = "a-dual-cidr-ip4-default",
        a_dual_cidr_ip6_default = "a-dual-cidr-ip6-default",
        a_multi_ip1 = "a-multi-ip1",
        a_multi_ip2 = "a-multi-ip2",
        a_bad_domain = "a-bad-domain",
        a_nxdomain = "a-nxdomain",
        a_cidr4_0 = "a-cidr4-0",
        a_cidr4_0_ip6 = "a-cidr4-0-ip6",
        a_cidr6_0_ip4 = "a-cidr6-0-ip4",
        a_cidr6_0_ip4mapped = "a-cidr6-0-ip4mapped",
        a_cidr6_0_ip6 = "a-cidr6-0-ip6",
        a_ip6_dualstack = "a-ip6-dualstack",
        a_cidr6_0_nxdomain = "a-cidr6-0-nxdomain",
        a_null = "a-null",
        a_numeric = "a-numeric",
        a_numeric_toplabel = "a-numeric-toplabel",
        a_dash_in_toplabel = "a-dash-in-toplabel",
        a_bad_toplabel = "a-bad-toplabel",
        a_only_toplabel = "a-only-toplabel",
        a_only_toplabel_trailing_dot = "a-only-toplabel-trailing-dot",
        a_colon_domain = "a-colon-domain",
        a_colon_domain_ip4mapped = "a-colon-domain-ip4mapped",
        a_empty_domain = "a-empty-domain",
    }
    include_mechanism = "Include mechanism semantics and syntax" {
        include_fail = "include-fail",
        include_softfail = "include-softfail",
        include_neutral = "include-neutral",
        include_temperror = "include-temperror",
        include_permerror = "include-permerror",
        include_syntax_error = "include-syntax-error",
        include_cidr = "include-cidr",
        include_none = "include-none",
        include_empty_domain = "include-empty-domain",
    }
    mx_mechanism = "MX mechanism syntax" {
        mx_cidr6 = "mx-cidr6",
        mx_bad_cidr4 = "mx-bad-cidr4",
        mx_bad_cidr6 = "mx-bad-cidr6",
        mx_multi_ip1 = "mx-multi-ip1",
        mx_multi_ip2 = "mx-multi-ip2",
        mx_bad_domain = "mx-bad-domain",
        mx_nxdomain = "mx-nxdomain",
        mx_cidr4_0 = "mx-cidr4-0",
        mx_cidr4_0_ip6 = "mx-cidr4-0-ip6",
        mx_cidr6_0_ip4 = "mx-cidr6-0-ip4",
        mx_cidr6_0_ip4mapped = "mx-cidr6-0-ip4mapped",
        mx_cidr6_0_ip6 = "mx-cidr6-0-ip6",
        mx_cidr6_0_nxdomain = "mx-cidr6-0-nxdomain",
        mx_null = "mx-null",
        mx_numeric_top_label = "mx-numeric-top-label",
        mx_colon_domain = "mx-colon-domain",
        mx_colon_domain_ip4mapped = "mx-colon-domain-ip4mapped",
        mx_bad_toplab = "mx-bad-toplab",
        mx_empty = "mx-empty",
        mx_implicit = "mx-implicit",
        mx_empty_domain = "mx-empty-domain",
    }
    exists_mechanism = "EXISTS mechanism syntax" {
        exists_empty_domain = "exists-empty-domain",
        exists_implicit = "exists-implicit",
        exists_cidr = "exists-cidr",
        exists_ip4 = "exists-ip4",
        exists_ip6 = "exists-ip6",
        exists_ip6only = "exists-ip6only",
        exists_dnserr = "exists-dnserr",
    }
    ip4_mechanism = "IP4 mechanism syntax" {
        cidr4_0 = "cidr4-0",
        cidr4_32 = "cidr4-32",
        cidr4_33 = "cidr4-33",
        cidr4_032 = "cidr4-032",
        bare_ip4 = "bare-ip4",
        bad_ip4_port = "bad-ip4-port",
        bad_ip4_short = "bad-ip4-short",
        ip4_dual_cidr = "ip4-dual-cidr",
        ip4_mapped_ip6 = "ip4-mapped-ip6",
    }
    ip6_mechanism = "IP6 mechanism syntax" {
        bare_ip6 = "bare-ip6",
        cidr6_0_ip4 = "cidr6-0-ip4",
        cidr6_ip4 = "cidr6-ip4",
        cidr6_0 = "cidr6-0",
        cidr6_129 = "cidr6-129",
        cidr6_bad = "cidr6-bad",
        cidr6_33 = "cidr6-33",
        cidr6_33_ip4 = "cidr6-33-ip4",
        ip6_bad1 = "ip6-bad1",
    }
    modifiers = "Semantics of exp and other modifiers" {
        redirect_none = "redirect-none",
        redirect_cancels_exp = "redirect-cancels-exp",
        redirect_syntax_error = "redirect-syntax-error",
        include_ignores_exp = "include-ignores-exp",
        redirect_cancels_prior_exp = "redirect-cancels-prior-exp",
        invalid_modifier = "invalid-modifier",
        empty_modifier_name = "empty-modifier-name",
        dorky_sentinel = "dorky-sentinel",
        exp_multiple_txt = "exp-multiple-txt",
        exp_no_txt = "exp-no-txt",
        exp_dns_error = "exp-dns-error",
        exp_empty_domain = "exp-empty-domain",
        explanation_syntax_error = "explanation-syntax-error",
        exp_syntax_error = "exp-syntax-error",
        exp_twice = "exp-twice",
        redirect_empty_domain = "redirect-empty-domain",
        redirect_twice = "redirect-twice",
        unknown_modifier_syntax = "unknown-modifier-syntax",
        default_modifier_obsolete = "default-modifier-obsolete",
        default_modifier_obsolete2 = "default-modifier-obsolete2",
        non_ascii_exp = "non-ascii-exp",
        two_exp_records = "two-exp-records",
        exp_void = "exp-void",
        redirect_implicit = "redirect-implicit",
    }
    macro_expansion = "Macro expansion rules" {
        trailing_dot_domain = "trailing-dot-domain",
        trailing_dot_exp = "trailing-dot-exp",
        exp_only_macro_char = "exp-only-macro-char",
        invalid_macro_char = "invalid-macro-char",
        invalid_embedded_macro_char = "invalid-embedded-macro-char",
        invalid_trailing_macro_char = "invalid-trailing-macro-char",
        macro_mania_in_domain = "macro-mania-in-domain",
        exp_txt_macro_char = "exp-txt-macro-char",
        domain_name_truncation = "domain-name-truncation",
        v_macro_ip4 = "v-macro-ip4",
        v_macro_ip6 = "v-macro-ip6",
        undef_macro = "undef-macro",
        p_macro_ip4_novalid = "p-macro-ip4-novalid",
        p_macro_ip4_valid = "p-macro-ip4-valid",
        p_macro_ip6_novalid = "p-macro-ip6-novalid",
        p_macro_ip6_valid = "p-macro-ip6-valid",
        p_macro_multiple = "p-macro-multiple",
        upper_macro = "upper-macro",
        hello_macro = "hello-macro",
        invalid_hello_macro = "invalid-hello-macro",
        hello_domain_literal = "hello-domain-literal",
        require_valid_helo = "require-valid-helo",
        macro_reverse_split_on_dash = "macro-reverse-split-on-dash",
        macro_multiple_delimiters = "macro-multiple-delimiters",
    }
    processing_limits = "Processing limits" {
        redirect_loop = "redirect-loop",
        include_loop = "include-loop",
        mx_limit = "mx-limit",
        ptr_limit = "ptr-limit",
        false_a_limit = "false-a-limit",
        mech_at_limit = "mech-at-limit",
        mech_over_limit = "mech-over-limit",
        include_at_limit = "include-at-limit",
        include_over_limit = "include-over-limit",
        void_at_limit = "void-at-limit",
        void_over_limit = "void-over-limit",
    }
    implementation_bugs = "Test cases from implementation bugs" {
        bytes_bug = "bytes-bug",
        cname_aliasing = "cname-aliasing",
    }
}

#[test]
fn every_case_of_the_data_is_a_test_and_no_other() {
    let listed: Vec<(&str, Vec<&str>)> =
        LISTED.iter().map(|(description, names)| (*description, names.to_vec())).collect();
    let data = SUITE.iter().map(|scenario| {
        let names = scenario["tests"].as_object().unwrap().keys().map(String::as_str);
        let mut names: Vec<&str> = names.collect();
        names.sort_unstable();
        (scenario["description"].as_str().unwrap(), names)
    });
    let mut sorted = listed;
    sorted.iter_mut().for_each(|(_, names)| names.sort_unstable());
    assert_eq!(sorted, data.collect::<Vec<_>>());
    assert_eq!(sorted.iter().map(|(_, names)| names.len()).sum::<usize>(), 203);
}

/// The JSON is the YAML of the suite: the same cases in the same order.
#[test]
fn the_data_is_that_of_the_published_file() {
    let mut published = Vec::new();
    let mut is_in_tests = false;
    for line in include_str!("../vectors/spf-rfc7208/rfc7208-tests.yml").lines() {
        match line {
            "tests:" => is_in_tests = true,
            "zonedata:" => is_in_tests = false,
            _ => {
                let name = line.strip_prefix("  ").filter(|name| is_in_tests && !name.starts_with(' '));
                published.extend(name.and_then(|name| name.strip_suffix(':')));
            }
        }
    }
    let listed: Vec<&str> = LISTED.iter().flat_map(|(_, names)| names.iter().copied()).collect();
    assert_eq!(listed, published);
}

#[test]
fn every_choice_is_one() {
    let is_choice = |name: &str| SUITE.iter().any(|scenario| scenario["tests"][name]["result"].is_array());
    for (name, ..) in CHOICES {
        assert!(is_choice(name), "{name}");
    }
}
