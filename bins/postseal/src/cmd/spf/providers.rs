//! Records that authorise everybody who is a customer of the same provider.
//!
//! Whoever includes one lets every customer of it pass SPF for his domain, unless the provider looks which envelope senders a customer uses; not all
//! do. It is what such services ask for, and no mistake; who includes many of them should know what SPF is still worth then.

use spf_core::name::Name;

/// The name of the record, or one above it, and whose it is.
const SHARED: &[(&str, &str)] = &[
    ("_spf.google.com", "Google Workspace"),
    ("_spf.kundenserver.de", "IONOS"),
    ("_spf.perfora.net", "IONOS"),
    ("_spf.salesforce.com", "Salesforce"),
    ("_spf.transip.email", "TransIP"),
    ("amazonses.com", "Amazon SES"),
    ("exacttarget.com", "Salesforce Marketing Cloud"),
    ("icloud.com", "iCloud Mail"),
    ("mail.hostinger.com", "Hostinger"),
    ("mail.zendesk.com", "Zendesk"),
    ("mailgun.org", "Mailgun"),
    ("messagingengine.com", "Fastmail"),
    ("migadu.com", "Migadu"),
    ("mtasv.net", "Postmark"),
    ("mx.ovh.com", "OVH"),
    ("relay.mailchannels.net", "MailChannels"),
    ("secureserver.net", "GoDaddy"),
    ("sendgrid.net", "SendGrid"),
    ("sendinblue.com", "Brevo"),
    ("servers.mcsv.net", "Mailchimp"),
    ("sparkpostmail.com", "SparkPost"),
    ("spf.brevo.com", "Brevo"),
    ("spf.mailjet.com", "Mailjet"),
    ("spf.mandrillapp.com", "Mailchimp Transactional"),
    ("spf.protection.outlook.com", "Microsoft 365"),
    ("spf.web-hosting.com", "Namecheap"),
    ("zoho.com", "Zoho Mail"),
    ("zoho.eu", "Zoho Mail"),
    ("zohomail.com", "Zoho Mail"),
];

/// Whose shared record this is, when it is a well-known one.
pub(super) fn provider(name: &Name) -> Option<&'static str> {
    let is_in =
        |zone: &str| name.as_str().strip_suffix(zone).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    SHARED.iter().find(|(zone, _)| is_in(zone)).map(|(_, provider)| *provider)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn providers_are_known_by_whole_labels() {
        let of = |name: &str| provider(&Name::parse(name).unwrap());
        assert_eq!(of("_SPF.google.com"), Some("Google Workspace"));
        assert_eq!(of("eu.amazonses.com"), Some("Amazon SES"));
        assert_eq!((of("notsendgrid.net"), of("google.com"), of("example.com")), (None, None, None));
        assert!(
            SHARED.is_sorted() && SHARED.iter().all(|(zone, _)| Name::from_domain(zone).unwrap().as_str() == *zone)
        );
    }
}
