//! A real rsyslogd receives over TLS (Debian packages rsyslog and rsyslog-gnutls): every record, whole and in order.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use mcpolicy_ship::formats::Format;
use mcpolicy_ship::sinks::syslog::{Syslog, SyslogSettings};
use mcpolicy_ship::{Limits, Sink as _};

use crate::receiver::Authority;
use crate::{batch, http};

struct Rsyslog {
    child: Child,
    folder: tempfile::TempDir,
    port: u16,
}

impl Rsyslog {
    /// Nothing where it is not installed; with CI that is a failure.
    fn start(authority: &Authority) -> Option<Self> {
        if !Path::new("/usr/sbin/rsyslogd").exists() {
            #[expect(clippy::disallowed_methods, reason = "whether this is CI")]
            let is_ci = std::env::var_os("CI").is_some();
            assert!(!is_ci, "rsyslogd is not here");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let (chain, key) = authority.signs("localhost", 2099);
        std::fs::write(at("ca.pem"), authority.pem()).unwrap();
        std::fs::write(at("chain.pem"), chain).unwrap();
        std::fs::write(at("key.pem"), key).unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let configuration = format!(
            r#"global(workDirectory="{folder}" maxMessageSize="64k"
    defaultNetstreamDriver="gtls" defaultNetstreamDriverCAFile="{ca}"
    defaultNetstreamDriverCertFile="{chain}" defaultNetstreamDriverKeyFile="{key}")
module(load="imtcp" streamDriver.name="gtls" streamDriver.mode="1" streamDriver.authMode="anon")
input(type="imtcp" port="{port}" address="127.0.0.1")
template(name="parts" type="string" string="%pri%\t%timestamp:::date-rfc3339%\t%hostname%\t%app-name%\t%msgid%\t%structured-data%\t%msg%\n")
action(type="omfile" file="{out}" template="parts")
"#,
            folder = folder.path().display(),
            ca = at("ca.pem"),
            chain = at("chain.pem"),
            key = at("key.pem"),
            out = at("received"),
        );
        std::fs::write(at("rsyslog.conf"), configuration).unwrap();
        let child = Command::new("/usr/sbin/rsyslogd")
            .args(["-n", "-f", &at("rsyslog.conf"), "-i", &at("pid")])
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let rsyslog = Self { child, folder, port };
        let end = Instant::now() + Duration::from_secs(20);
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < end, "rsyslogd does not listen");
            std::thread::sleep(Duration::from_millis(50));
        }
        Some(rsyslog)
    }

    #[expect(clippy::disallowed_methods, reason = "a file of the test itself")]
    fn received(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.folder.path().join("received")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}

impl Drop for Rsyslog {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn a_real_rsyslog_gets_every_record_over_tls_with_its_id_as_structured_data() {
    let ours = Authority::new("Example Fleet Root");
    let Some(rsyslog) = Rsyslog::start(&ours) else { return };
    let settings = SyslogSettings {
        name: "syslog".to_owned(),
        host: "localhost".to_owned(),
        port: rsyslog.port,
        facility: 16,
        data_id: "mcpolicy@32473".to_owned(),
        format: Format::Native,
        limits: Limits::default(),
    };
    let mut sink = Syslog::new(settings, http(Some(&ours))).unwrap();
    let sent = batch(300);
    let receipt = sink.send(&sent).await.unwrap();
    assert_eq!((receipt.accepted, receipt.cut), (300, 0));
    let end = Instant::now() + Duration::from_secs(20);
    while rsyslog.received().len() < 300 {
        assert!(Instant::now() < end, "{} of 300", rsyslog.received().len());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let received = rsyslog.received();
    assert_eq!(received.len(), 300);
    for (line, text) in sent.lines.iter().zip(&received) {
        let parts: Vec<&str> = text.splitn(7, '\t').collect();
        assert_eq!((parts[0], parts[2], parts[3], parts[4]), ("134", "lap-1", "mcpolicy", "event"), "{text}");
        assert!(parts[5].contains(&format!("id=\"{}\"", line.id)), "{text}");
        assert_eq!(parts[6].trim_start().as_bytes(), line.json, "{text}");
    }
}

/// A receiver that shows a certificate of somebody else gets nothing.
#[tokio::test]
async fn a_real_rsyslog_with_the_certificate_of_another_authority_gets_nothing() {
    let (ours, other) = (Authority::new("Example Fleet Root"), Authority::new("Another"));
    let Some(rsyslog) = Rsyslog::start(&other) else { return };
    let settings = SyslogSettings {
        name: "syslog".to_owned(),
        host: "localhost".to_owned(),
        port: rsyslog.port,
        facility: 16,
        data_id: "mcpolicy@32473".to_owned(),
        format: Format::Native,
        limits: Limits::default(),
    };
    let error = Syslog::new(settings, http(Some(&ours))).unwrap().send(&batch(1)).await.unwrap_err();
    assert!(error.to_string().contains("tls"), "{error}");
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(rsyslog.received().is_empty());
}
