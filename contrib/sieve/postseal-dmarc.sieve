# Files mail that Postseal has tagged into the mailbox Junk: the message failed DMARC, and the owner of the domain in its From field asks for
# "quarantine" or "reject". For Dovecot's Pigeonhole, and any Sieve (RFC 5228) with the two extensions that are named below.
#
# The daemon adds the field when [dmarc] mode is "tag", "quarantine" or "reject":
#
#   X-Postseal-DMARC: quarantine (dmarc=fail header.from=example.com)
#
# and removes every field of this name that a message brings along. A message that came by another way may still have one: its sender can only
# send it to Junk. With another `tag_header`, change the name in the test.
#
# To use it for everybody (paths as in Debian's packages):
#
#   install -d /etc/dovecot/sieve-before.d
#   install -m 644 postseal-dmarc.sieve /etc/dovecot/sieve-before.d/
#   sievec /etc/dovecot/sieve-before.d/postseal-dmarc.sieve
#
# and in the configuration, with `mail_plugins = $mail_plugins sieve` in `protocol lmtp` (or `protocol lda`, whichever delivers):
#
#   plugin {
#     sieve_before = /etc/dovecot/sieve-before.d
#   }
#
# then `doveadm reload`. Run `sievec` again after each change of this file: mail is delivered under the user's id, which may not write there.
#
# The scripts of users do not see a message that this one files, so no vacation reply answers it. To have their rules come first, name the
# folder in `sieve_after` in place of `sieve_before`.

require ["fileinto", "mailbox"];

if header :contains "X-Postseal-DMARC" ["quarantine", "reject"] {
    # Made when it is not there (RFC 5490). Where the mailbox for junk has another name, such as "Spam" or "INBOX.Junk", change it here.
    fileinto :create "Junk";
}
