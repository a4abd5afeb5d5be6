//! A real OpenLDAP.

use std::process::{Command, Stdio};
use std::time::Duration;

use engine::dataset::{LdapOptions, OpenOptions};
use nix::sys::signal::Signal;

use crate::ask::{dataset, failure, fields, goes_and_comes, open, open_with};
use database_servers::{Folder, Server, command, free_port, program, run, until};

/// Tells a run of this program that it is to ask this URL, under another environment.
const CHILD: &str = "POSTSEAL_TEST_LDAPS";

const PASSWORD: &str = "p:/@?w=";

struct Slapd {
    folder: Folder,
    port: u16,
    tls_port: u16,
}

impl Slapd {
    fn new() -> Self {
        let folder = Folder::new();
        folder.folder("db");
        let dir = folder.path("").display().to_string();
        let request = "[req]\ndistinguished_name=dn\nx509_extensions=ext\nprompt=no\n[dn]\nCN=localhost\n\
             [ext]\nsubjectAltName=DNS:localhost\nbasicConstraints=critical,CA:FALSE\n";
        let request = folder.file("request", request);
        let mut openssl = command(program("openssl", "/usr/bin"));
        openssl.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-config"]).arg(request);
        run(openssl.arg("-keyout").arg(folder.path("key.pem")).arg("-out").arg(folder.path("cert.pem")));
        folder.file(
            "slapd.conf",
            &format!(
                "include /etc/ldap/schema/core.schema\ninclude /etc/ldap/schema/cosine.schema\ninclude /etc/ldap/schema/inetorgperson.schema\n\
                 modulepath /usr/lib/ldap\nmoduleload back_mdb\npidfile {dir}/pid\n\
                 TLSCertificateFile {dir}/cert.pem\nTLSCertificateKeyFile {dir}/key.pem\nTLSCACertificateFile {dir}/cert.pem\n\
                 database mdb\nsuffix \"dc=example,dc=com\"\nrootdn \"cn=admin,dc=example,dc=com\"\nrootpw \"{PASSWORD}\"\ndirectory {dir}/db\n\
                 access to dn.subtree=\"ou=secret,dc=example,dc=com\" by users read by anonymous auth\naccess to * by * read\n"
            ),
        );
        let organisation =
            |name: &str| format!("dn: ou={name},dc=example,dc=com\nobjectClass: organizationalUnit\nou: {name}\n\n");
        let person = |dn: &str, cn: &str, rest: &str| {
            format!("dn: {dn},dc=example,dc=com\nobjectClass: inetOrgPerson\ncn: {cn}\nsn: x\n{rest}\n")
        };
        let ldif = [
            "dn: dc=example,dc=com\nobjectClass: dcObject\nobjectClass: organization\no: x\ndc: example\n\n".to_owned(),
            organisation("keys"),
            organisation("secret"),
            person(
                "cn=example.com,ou=keys",
                "example.com",
                "title: d.example\nemployeeType: sel\nemployeeNumber: 2048\n",
            ),
            person("cn=other.example,ou=keys", "other.example", "title: other\n"),
            person("cn=a*b,ou=keys", "a*b", "title: star\n"),
            person("cn=a(b\\\\,ou=keys", "a(b\\", "title: paren\n"),
            person("cn=binary,ou=keys", "binary", "userPassword:: /w==\n"),
            person("cn=hidden.example,ou=secret", "hidden.example", "title: hidden\n"),
        ];
        let ldif = folder.file("data.ldif", &ldif.concat());
        run(command(program("slapadd", "/usr/sbin")).arg("-f").arg(folder.path("slapd.conf")).arg("-l").arg(ldif));
        Self { folder, port: free_port(), tls_port: free_port() }
    }

    async fn start(&self) -> Server {
        let urls = format!("ldap://127.0.0.1:{} ldaps://127.0.0.1:{} {}", self.port, self.tls_port, self.socket());
        let mut command = command(program("slapd", "/usr/sbin"));
        command.args(["-d", "0", "-h", &urls, "-f"]).arg(self.folder.path("slapd.conf"));
        let server = Server::start(&mut command, Signal::SIGTERM);
        until(async || tokio::net::TcpStream::connect(("127.0.0.1", self.tls_port)).await).await;
        server
    }

    fn socket(&self) -> String {
        format!("ldapi://{}", self.folder.path("ldapi").display().to_string().replace('/', "%2F"))
    }

    fn tcp(&self) -> String {
        format!("ldap://127.0.0.1:{}", self.port)
    }
}

const KEYS: &str = "ou=keys,dc=example,dc=com?title,employeeType,employeeNumber?sub?(cn=$d)";
const SECRET: &str = "ou=secret,dc=example,dc=com?title?sub?(cn=$d)";

fn bind(mechanism: &str, user: &str, password: &str) -> OpenOptions {
    let ldap = LdapOptions {
        auth_mechanism: Some(mechanism.to_owned()),
        bind_user: Some(user.to_owned()),
        bind_password: Some(password.to_owned()),
        keepalive_idle: Some(Duration::from_secs(60)),
        ..LdapOptions::default()
    };
    OpenOptions { ldap, ..OpenOptions::default() }
}

#[tokio::test(flavor = "current_thread")]
async fn s2_1_ldap() {
    if let Ok(url) = std::env::var(CHILD) {
        return trusted(&url).await;
    }
    let slapd = Slapd::new();
    let server = slapd.start().await;
    let lookup = open(&format!("{}/{KEYS}", slapd.tcp()));
    assert_eq!(fields(&lookup, "example.com").await.unwrap(), ["d.example", "sel", "2048"]);
    assert_eq!(fields(&lookup, "other.example").await.unwrap(), ["other", "", ""]);
    for key in [
        "none.example",
        "",
        "*",
        "example*",
        "a*",
        "*)(cn=*",
        "x)(|(cn=*",
        "\\2a",
        "a\0",
        "é",
        "'",
        "\"",
        &"x".repeat(10 * 1024),
    ] {
        assert_eq!(fields(&lookup, key).await, None, "{key:.20}");
    }
    assert_eq!(fields(&lookup, "a*b").await.unwrap(), ["star", "", ""]);
    assert_eq!(fields(&lookup, "a(b\\").await.unwrap(), ["paren", "", ""]);
    let order = open(&format!("{}/ou=keys,dc=example,dc=com?employeeNumber,TITLE?one?(cn=$d)", slapd.tcp()));
    assert_eq!(fields(&order, "example.com").await.unwrap(), ["2048", "d.example"]);
    let photo = open(&format!("{}/ou=keys,dc=example,dc=com?userPassword?one?(cn=$d)", slapd.tcp()));
    assert!(failure(&photo, "binary").await.contains("not UTF-8"));

    // The key in the base: as it is, and as a name.
    let base = open(&format!("{}/cn=$d,ou=keys,dc=example,dc=com?title", slapd.tcp()));
    assert_eq!(fields(&base, "example.com").await.unwrap(), ["d.example"]);
    for key in ["x,ou=keys", "+", "", "#", "a\\", "é\"", "cn=example.com"] {
        assert_eq!(fields(&base, key).await, None, "{key}");
    }
    let name = open(&format!("{}/$D?o?base", slapd.tcp()));
    assert_eq!(fields(&name, "example.com").await.unwrap(), ["x"]);
    assert_eq!(fields(&name, "none.com").await, None);
    assert_eq!(fields(&name, "..").await, None);

    // Several servers, of which the first is away.
    let second = format!("ldap://127.0.0.1:{}/{KEYS} {}", free_port(), slapd.socket());
    assert_eq!(fields(&open(&second), "example.com").await.unwrap()[0], "d.example");

    // Who asks.
    let secret = format!("{}/{SECRET}", slapd.tcp());
    let error = failure(&open(&secret), "hidden.example").await;
    assert!(error.contains("LDAP result 50"), "insufficientAccessRights, and not that there is none: {error}");
    let with = bind("simple", "cn=admin,dc=example,dc=com", PASSWORD);
    assert_eq!(fields(&open_with(&secret, &with), "hidden.example").await.unwrap(), ["hidden"]);
    let external = format!("{}/{SECRET}", slapd.socket());
    assert_eq!(fields(&open_with(&external, &bind("EXTERNAL", "", "")), "hidden.example").await.unwrap(), ["hidden"]);
    let wrong = open_with(&secret, &bind("simple", "cn=admin,dc=example,dc=com", "wr0ng"));
    let error = failure(&wrong, "hidden.example").await;
    assert!(error.contains("49") && !error.contains("wr0ng"), "{error}");

    // TLS: an unknown certificate is an error, one in SSL_CERT_FILE is not.
    let tls = format!("ldaps://localhost:{}/{KEYS}", slapd.tls_port);
    let start_tls = format!("ldap://localhost:{}/{KEYS}", slapd.port);
    assert!(failure(&open(&tls), "example.com").await.contains("certificate"));
    assert!(failure(&open_with(&start_tls, &with_tls()), "example.com").await.contains("certificate"));
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "ldap::s2_1_ldap"]).env(CHILD, format!("{tls} {start_tls}")).stdout(Stdio::null());
    run(child.env("SSL_CERT_FILE", slapd.folder.path("cert.pem")));

    let text = format!("{}/{KEYS}", slapd.tcp());
    let set = dataset(&text, Duration::from_secs(5));
    let stop = async |server: Server| server.stop();
    let server =
        goes_and_comes(&set, &lookup, ("example.com", "other.example"), server, stop, async || slapd.start().await)
            .await;
    server.stop();
}

fn with_tls() -> OpenOptions {
    OpenOptions { ldap: LdapOptions { use_tls: true, ..LdapOptions::default() }, ..OpenOptions::default() }
}

/// In a process that trusts the certificate of the server.
async fn trusted(urls: &str) {
    let (tls, start_tls) = urls.split_once(' ').unwrap();
    assert_eq!(fields(&open(tls), "example.com").await.unwrap()[0], "d.example");
    assert_eq!(fields(&open_with(start_tls, &with_tls()), "example.com").await.unwrap()[0], "d.example");
    // By another name than the one in the certificate.
    let address = tls.replace("localhost", "127.0.0.1");
    assert!(failure(&open(&address), "example.com").await.contains("certificate"));
}
